"""Who is believed to have made a model, whoever's program signed it, and what becomes of signatures that are none."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import KeyUnusable, ModelRejected
from models.signatures.signer import Signer
from models.signatures.trusted import TrustedKeys, read_trusted
from models.storage.schemes import AnyStorage
from tests.models.signatures.makers import Maker, signed, signed_by_their_tool, verified_by_their_tool

MODEL_BYTES = b"the very bytes"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.h5"
    path.write_bytes(MODEL_BYTES)
    return path


def trusting(*files: Path) -> TrustedKeys:
    return TrustedKeys(read_trusted(AnyStorage(), map(str, files)))


def refused(keys: TrustedKeys, model: Path, signature: bytes | None) -> str:
    with pytest.raises(ModelRejected) as rejection:
        keys.require_signed(model, signature)
    return str(rejection.value)


# Keys


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_what_a_trusted_key_signed_is_believed_and_says_by_which(tmp_path: Path, model: Path, curve: Any) -> None:
    maker = Maker(tmp_path, "maker", curve)
    signature = signed(model, Signer(maker.private))
    hint = json.loads(signature)["verificationMaterial"]["publicKey"]["hint"]
    assert trusting(maker.public).require_signed(model, signature) == f"the key sha256:{hint[:12]}"


def test_signatures_of_model_signings_own_tool_are_believed_and_it_believes_ours(alice: Maker, model: Path) -> None:
    theirs = signed_by_their_tool(model, "key", "--private_key", alice.private)
    assert trusting(alice.public).require_signed(model, theirs.read_bytes()).startswith("the key sha256:")

    theirs.write_bytes(signed(model, Signer(alice.private)))
    verified_by_their_tool(model, "key", "--public_key", alice.public)


def test_one_of_several_keys_is_enough_and_none_other_is(alice: Maker, mallory: Maker, model: Path) -> None:
    both = trusting(mallory.public, alice.public)
    assert both.require_signed(model, signed(model, Signer(alice.private)))
    assert both.require_signed(model, signed(model, Signer(mallory.private)))
    told = refused(trusting(alice.public), model, signed(model, Signer(mallory.private)))
    assert told.startswith("bad_signature: it is by the key sha256:")
    assert told.endswith("which is none of the trusted")


def test_without_a_signature_a_model_is_unsigned(alice: Maker, model: Path) -> None:
    assert refused(trusting(alice.public), model, None).startswith("unsigned: ")


def test_other_bytes_under_a_true_signature_are_refused(alice: Maker, model: Path) -> None:
    signature = signed(model, Signer(alice.private))
    model.write_bytes(MODEL_BYTES + b".")
    told = refused(trusting(alice.public), model, signature)
    assert told == "bad_signature: it was made for other bytes than the file's"


def test_a_signature_of_a_folder_signs_no_file(alice: Maker, model: Path) -> None:
    folder = model.parent / "signed"
    folder.mkdir()
    (folder / model.name).write_bytes(MODEL_BYTES)
    signature = signed_by_their_tool(folder, "key", "--private_key", alice.private).read_bytes()
    assert refused(trusting(alice.public), model, signature).startswith("bad_signature: ")
    (folder / model.name).unlink()
    signature = signed_by_their_tool(folder, "key", "--private_key", alice.private).read_bytes()
    assert refused(trusting(alice.public), model, signature).startswith("bad_signature: ")


# Certificates


def test_a_certificate_of_a_trusted_authority_is_believed_and_names_its_subject(
    folder: Path, alice: Maker, model: Path
) -> None:
    root, office = Maker(folder, "root"), Maker(folder, "office")
    of_root = root.certified("root", authority=True)
    of_office = office.certified("office", root, authority=True)
    own = alice.certified("Alice\x1b[2J", office)

    signature = signed(model, Signer(alice.private, [own, of_office]))
    told = trusting(of_root).require_signed(model, signature)
    assert told.startswith("the certificate of CN=Alice")
    assert "\x1b" not in told

    certified = ("--signing_certificate", own, "--certificate_chain", of_office)
    theirs = signed_by_their_tool(model, "certificate", "--private_key", alice.private, *certified)
    assert trusting(of_root).require_signed(model, theirs.read_bytes()) == told

    without_the_office = signed(model, Signer(alice.private, [own]))
    assert refused(trusting(of_root), model, without_the_office).startswith("bad_signature: ")
    assert trusting(of_office, of_root).require_signed(model, without_the_office) == told


def test_another_authority_or_none_is_not_believed(folder: Path, alice: Maker, mallory: Maker, model: Path) -> None:
    root = Maker(folder, "their-root")
    of_root = root.certified("their-root", authority=True)
    signature = signed(model, Signer(alice.private, [alice.certified("Alice", root)]))
    posing = mallory.certified("their-root", authority=True)
    assert trusting(of_root).require_signed(model, signature)
    assert refused(trusting(posing), model, signature).startswith("bad_signature: ")
    assert "no authority is trusted" in refused(trusting(mallory.public), model, signature)


def test_a_certificate_that_is_for_something_else_signs_no_model(folder: Path, alice: Maker, model: Path) -> None:
    root = Maker(folder, "third-root")
    own = alice.certified("Alice", root, signs=False)
    signature = signed(model, Signer(alice.private, [own]))
    assert refused(trusting(root.certified("third-root", authority=True)), model, signature).startswith("bad_signature")


def test_a_signature_without_a_key_is_told_apart(alice: Maker, model: Path) -> None:
    bundle = json.loads(signed(model, Signer(alice.private)))
    bundle["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": []}
    assert "without a key, by an identity" in refused(trusting(alice.public), model, json.dumps(bundle).encode())


# Signatures that are none


def _without_hint(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["publicKey"] = {}


def _of_others(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(b"0" * 70).decode()


def _saying_otherwise(bundle: dict[str, Any]) -> None:
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload.replace(b"m.h5", b"n.h5")).decode()


def _of_another_kind(bundle: dict[str, Any]) -> None:
    bundle["mediaType"] = "application/x"


def _by_nobody(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] = []


@pytest.mark.parametrize("damaged", [_without_hint, _of_others, _saying_otherwise, _of_another_kind, _by_nobody])
def test_a_damaged_signature_is_refused_and_nothing_is_printed(
    alice: Maker, model: Path, damaged: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = json.loads(signed(model, Signer(alice.private)))
    damaged(bundle)
    assert refused(trusting(alice.public), model, json.dumps(bundle).encode()).startswith("bad_signature: ")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"verificationMaterial": 1}',
        b"-----BEGIN PGP SIGNATURE",
    ],
    ids=range(8),
)
def test_what_is_no_signature_is_a_bad_one(alice: Maker, model: Path, signature: bytes) -> None:
    assert refused(trusting(alice.public), model, signature).startswith("bad_signature: ")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_signature_with_any_byte_changed_is_believed_only_if_it_says_the_same(
    alice: Maker, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    model = tmp_path_factory.mktemp("changed") / "m.h5"
    model.write_bytes(MODEL_BYTES)
    genuine = signed(model, Signer(alice.private))
    at = data.draw(st.integers(0, 1 << 16)) % len(genuine)  # whose length differs from one signing to the next
    changed = genuine[:at] + bytes([data.draw(st.integers(0, 255))]) + genuine[at + 1 :]
    try:
        trusting(alice.public).require_signed(model, changed)
    except ModelRejected:
        return
    told, meant = (json.loads(each)["dsseEnvelope"] for each in (changed, genuine))
    assert base64.b64decode(told["payload"]) == base64.b64decode(meant["payload"])


# Files of keys


def test_what_cannot_be_trusted_is_told_in_one_line(folder: Path, alice: Maker, tmp_path: Path) -> None:
    koblitz = Maker(tmp_path, "koblitz", ec.SECP256K1())
    (tmp_path / "text").write_text("trust me")
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    (tmp_path / "damaged").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for file, said in (
        (alice.private, "is a private key; trust its public half: openssl pkey -in"),
        (koblitz.public, "it is no key of the curves secp256r1"),
        (tmp_path / "text", "is no public key and no certificate"),
        (tmp_path / "bytes", "is no public key and no certificate"),
        (tmp_path / "damaged", "cannot be trusted"),
        (tmp_path / "absent", "there is no file"),
    ):
        with pytest.raises(KeyUnusable, match=said):
            read_trusted(AnyStorage(), [str(file)])
