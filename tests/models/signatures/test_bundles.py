"""Whom a device believes about a component, by `cryptography` alone: nobody whom `model_signing` would not believe."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from models.errors import ComponentRefused, KeyUnusable
from models.signatures.bundles import DeviceKeys
from models.signatures.signer import Signer
from models.signatures.statements import StatementMalformed, read_bundle
from tests.models.signatures.makers import LONG_AGO, Maker, signed, signed_by_their_tool, statement_of
from tests.own_process import run_module

ARCHIVE = b"the very archive"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "digits-1.0.0-linux-x86_64.zip"
    path.write_bytes(ARCHIVE)
    return path


@pytest.fixture(scope="module")
def genuine(alice: Maker, folder: Path) -> bytes:
    path = folder / "genuine.zip"
    path.write_bytes(ARCHIVE)
    return signed(path, Signer(alice.private))


def trusting(*files: Path) -> DeviceKeys:
    return DeviceKeys([file.read_text() for file in files])


def refused(keys: DeviceKeys, signature: str | bytes | None) -> str:
    with pytest.raises(ComponentRefused) as refusal:
        keys.signed_digest(signature)
    assert refusal.value.detail.isprintable()
    assert len(refusal.value.detail) <= 300
    return str(refusal.value)


# Keys


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_what_a_trusted_key_signed_names_the_archive_and_the_key(tmp_path: Path, archive: Path, curve: Any) -> None:
    maker = Maker(tmp_path, "maker", curve)
    hint = hashlib.sha256(maker.public.read_bytes()).hexdigest()
    ours = signed(archive, Signer(maker.private))
    theirs = signed_by_their_tool(archive, "key", "--private_key", maker.private).read_text()
    for signature in (ours, theirs, ours.decode()):
        told = trusting(maker.public).signed_digest(signature)
        assert (told.sha256, told.signer) == (SHA256, f"the key sha256:{hint[:12]}")
        assert read_bundle(signature).sha256() == SHA256


@pytest.mark.parametrize("more", [["--no-ignore-git-paths"], ["--allow_symlinks"], ["--ignore-paths", "elsewhere"]])
def test_whatever_their_tool_can_be_told_about_a_file_is_believed(alice: Maker, archive: Path, more: list[str]) -> None:
    signature = signed_by_their_tool(archive, "key", "--private_key", alice.private, *more).read_bytes()
    assert trusting(alice.public).signed_digest(signature).sha256 == SHA256


def test_nothing_but_cryptography_is_needed(alice: Maker, archive: Path) -> None:
    signature = signed_by_their_tool(archive, "key", "--private_key", alice.private)
    told, imported = run_module("tests.models.signatures.on_a_device", alice.public, signature).splitlines()
    assert told == SHA256
    assert {"model_signing", "sigstore_models", "OpenSSL", "pydantic", "certifi"}.isdisjoint(imported.split())


def test_one_of_several_keys_is_enough_and_none_other_is(alice: Maker, mallory: Maker, archive: Path) -> None:
    both = trusting(mallory.public, alice.public)
    assert both.signed_digest(signed(archive, Signer(alice.private))).sha256 == SHA256
    assert both.signed_digest(signed(archive, Signer(mallory.private))).sha256 == SHA256
    told = refused(trusting(alice.public), signed(archive, Signer(mallory.private)))
    assert told.startswith("bad_signature: it is by the key sha256:")
    assert told.endswith("which is none of the trusted")


def test_nobodys_component_is_unsigned(alice: Maker) -> None:
    assert refused(trusting(alice.public), None).startswith("unsigned: ")


def test_a_key_that_says_it_is_another_is_found_out(alice: Maker, mallory: Maker, genuine: bytes) -> None:
    forged = mallory.signed(json.dumps(statement_of(genuine)).encode())
    forged["verificationMaterial"] = json.loads(genuine)["verificationMaterial"]
    assert "is not by the key that it names" in refused(trusting(alice.public), json.dumps(forged))


def test_what_cannot_be_trusted_is_told(alice: Maker, tmp_path: Path) -> None:
    koblitz = Maker(tmp_path, "koblitz", ec.SECP256K1())
    with pytest.raises(KeyUnusable, match="the trusted key 2 is a private key"):
        trusting(alice.public, alice.private)
    with pytest.raises(KeyUnusable, match="is no key of the curves"):
        trusting(koblitz.public)
    with pytest.raises(KeyUnusable, match="is no public key and no certificate"):
        DeviceKeys(["trust me"])


# Certificates


def test_a_certificate_of_a_trusted_authority_is_believed_and_names_its_subject(
    folder: Path, alice: Maker, archive: Path
) -> None:
    root, office = Maker(folder, "root"), Maker(folder, "office")
    of_root = root.certified("root", authority=True)
    of_office = office.certified("office", root, authority=True)
    own = alice.certified("Alice\x1b[2J", office)

    signature = signed(archive, Signer(alice.private, [own, of_office]))
    told = trusting(of_root).signed_digest(signature)
    assert told.sha256 == SHA256
    assert told.signer.startswith("the certificate of CN=Alice")
    assert "\x1b" not in told.signer

    certified = ("--signing_certificate", own, "--certificate_chain", of_office)
    theirs = signed_by_their_tool(archive, "certificate", "--private_key", alice.private, *certified)
    assert trusting(of_root).signed_digest(theirs.read_bytes()) == told

    without_the_office = signed(archive, Signer(alice.private, [own]))
    assert refused(trusting(of_root), without_the_office).startswith("bad_signature: its certificate is not believed")
    assert trusting(of_office, of_root).signed_digest(without_the_office) == told
    assert "trust the root's certificate too" in refused(trusting(of_office), without_the_office)


def test_a_certificate_that_vouches_for_itself_is_believed_where_it_is_trusted(alice: Maker, archive: Path) -> None:
    own = alice.certified("alice")
    signature = signed(archive, Signer(alice.private, [own]))
    assert trusting(own).signed_digest(signature).signer == "the certificate of CN=alice"


def test_another_authority_or_none_is_not_believed(folder: Path, alice: Maker, mallory: Maker, archive: Path) -> None:
    root = Maker(folder, "their-root")
    of_root = root.certified("their-root", authority=True)
    signature = signed(archive, Signer(alice.private, [alice.certified("Alice", root)]))
    assert trusting(of_root).signed_digest(signature).sha256 == SHA256
    assert refused(trusting(mallory.certified("their-root", authority=True)), signature).startswith("bad_signature: ")
    assert "no authority is trusted" in refused(trusting(mallory.public), signature)


def test_the_clock_of_a_device_is_not_asked_and_an_authority_gives_nothing_after_its_end(
    folder: Path, alice: Maker, archive: Path
) -> None:
    root, now = Maker(folder, "sixth-root"), datetime.datetime.now(datetime.UTC)
    authority = root.certified("sixth-root", authority=True)
    ended = signed(archive, Signer(alice.private, [alice.certified("Alice", root)]))
    assert trusting(authority).signed_digest(ended).sha256 == SHA256, "both ended years ago"

    given_later = alice.certified("Alice", root, begins=LONG_AGO + datetime.timedelta(days=31))
    assert refused(trusting(authority), signed(archive, Signer(alice.private, [given_later]))).startswith("bad_sig")

    tomorrow = now + datetime.timedelta(days=1)
    authority = root.certified("sixth-root", authority=True, begins=tomorrow)
    to_come = signed(archive, Signer(alice.private, [alice.certified("Alice", root, begins=tomorrow)]))
    assert trusting(authority).signed_digest(to_come).sha256 == SHA256, "the clock stands at 1970, say"


def test_who_was_given_a_certificate_gives_none(folder: Path, alice: Maker, mallory: Maker, archive: Path) -> None:
    root = Maker(folder, "fourth-root")
    of_alice = alice.certified("alice", root)
    signature = signed(archive, Signer(mallory.private, [mallory.certified("Mallory", alice), of_alice]))
    assert refused(trusting(root.certified("fourth-root", authority=True)), signature).startswith("bad_signature: ")


def test_a_certificate_that_is_for_something_else_signs_nothing(folder: Path, alice: Maker, archive: Path) -> None:
    root = Maker(folder, "third-root")
    own = alice.certified("Alice", root, signs=False)
    signature = signed(archive, Signer(alice.private, [own]))
    told = refused(trusting(root.certified("third-root", authority=True)), signature)
    assert told == "bad_signature: its certificate is for something else than signing"


def test_a_flood_of_certificates_is_refused_unread(folder: Path, alice: Maker, archive: Path) -> None:
    root = Maker(folder, "fifth-root")
    of_root = root.certified("fifth-root", authority=True)
    bundle = json.loads(signed(archive, Signer(alice.private, [alice.certified("Alice", root)])))
    certificates = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    none: list[Any] = []
    for several in (none, certificates * 6):
        bundle["verificationMaterial"]["x509CertificateChain"]["certificates"] = several
        assert "certificates, and 1 to 10 are possible" in refused(trusting(of_root), json.dumps(bundle))


# Bundles that are not as they were


def _cut(bundle: dict[str, Any]) -> Any:
    return json.dumps(bundle)[:-2]


def _without_hint(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["publicKey"] = {}


def _by_an_identity(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": []}


def _with_two_keys(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["x509CertificateChain"] = {"certificates": []}


def _by_others(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(b"0" * 70).decode()


def _by_nobody(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] = []


def _by_two(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] *= 2


def _of_another_kind(bundle: dict[str, Any]) -> None:
    bundle["mediaType"] = "application/x\x1b[2J"


def _of_another_payload(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payloadType"] = "text/plain"


def _of_another_archive(bundle: dict[str, Any]) -> None:
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    changed = payload.replace(SHA256.encode(), hashlib.sha256(b"forged").hexdigest().encode())
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(changed).decode()


def _with_more(bundle: dict[str, Any]) -> None:
    bundle["messageSignature"] = {}


def _in_no_base64(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payload"] += "*"


def _very_long(bundle: dict[str, Any]) -> Any:
    return json.dumps(bundle) + " " * 70_000


def _twice(bundle: dict[str, Any]) -> Any:
    text = json.dumps(bundle)
    return text[:-1] + ', "mediaType": "' + bundle["mediaType"] + '"}'


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        (_cut, "no signature"),
        (_without_hint, "does not say which key"),
        (_by_an_identity, "without a key"),
        (_with_two_keys, "does not say which key"),
        (_by_others, "changed after it was made"),
        (_by_nobody, "0 signatures"),
        (_by_two, "2 signatures"),
        (_of_another_kind, "of the kind 'application/x"),
        (_of_another_payload, "of the kind 'text/plain'"),
        (_of_another_archive, "changed after it was made"),
        (_with_more, "more than a signature"),
        (_in_no_base64, "base64"),
        (_twice, "no signature"),
        (_very_long, "more than 65,536 bytes"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bundle_that_was_changed_is_refused_in_one_line(
    alice: Maker, genuine: bytes, damaged: Callable[[dict[str, Any]], Any], told: str
) -> None:
    bundle = json.loads(genuine)
    text = damaged(bundle) or json.dumps(bundle)
    assert told in refused(trusting(alice.public), text)


@pytest.mark.parametrize(
    "signature",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 60_000, b'{"mediaType": 1' + b"0" * 5000 + b"}", b" " * 70_000],
    ids=range(8),
)
def test_what_is_no_signature_is_a_bad_one(alice: Maker, signature: bytes) -> None:
    assert refused(trusting(alice.public), signature).startswith("bad_signature: ")
    with pytest.raises(StatementMalformed):
        read_bundle(signature)


def test_without_keys_it_is_read_what_a_signature_says_and_nothing_is_believed(mallory: Maker, genuine: bytes) -> None:
    statement = statement_of(genuine)
    assert read_bundle(json.dumps(mallory.signed(json.dumps(statement).encode()))).sha256() == SHA256
