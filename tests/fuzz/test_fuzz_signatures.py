"""Whatever bytes a signature has, it is taken or refused with a word; `model_signing` believes whatever is taken."""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import assume, given
from hypothesis import strategies as st

from models.errors import ComponentFault, ComponentRefused, ModelRejected
from models.signatures.bundles import DeviceKeys
from models.signatures.signer import Signer
from models.signatures.statements import read_bundle
from models.signatures.trusted import TrustedKeys
from tests.fuzz.test_fuzz_components import ANYTHING, places
from tests.fuzz.test_fuzz_images import CHANGES, change
from tests.models.signatures.makers import LONG_AGO, Maker, statement_of

ARCHIVE = b"the very archive"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
WORDS = st.sampled_from(
    [
        ".",
        "./.",
        "",
        ".git",
        "files",
        "shards",
        "sha256",
        "blake2",
        "blake3",
        SHA256,
        SHA256.upper(),
        hashlib.sha256(bytes.fromhex(SHA256)).hexdigest(),
        "application/vnd.in-toto+json",
        "https://model_signing/Digests/v0.1",
        "https://in-toto.io/Statement/v1",
        [],
        ["."],
        [{"name": ".", "algorithm": "sha256", "digest": SHA256}] * 2,
        [{"name": ".:0:16", "algorithm": "sha256", "digest": SHA256}],
        True,
        None,
    ]
)
VALUE_CHANGES = st.lists(st.tuples(st.integers(0, 99), ANYTHING | WORDS), min_size=1, max_size=3)


@lru_cache
def maker(name: str) -> Maker:
    return Maker(Path(tempfile.mkdtemp(prefix="hotswap-makers-")), name)


@lru_cache
def genuine() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        archive, signature = Path(folder) / "a.zip", Path(folder) / "a.zip.sig"
        archive.write_bytes(ARCHIVE)
        Signer(maker("alice").private).sign(archive, signature)
        return signature.read_bytes()


def check(signature: bytes, pems: list[str]) -> bool:
    """Whether it is believed; what a device believes is shown to `model_signing`."""
    try:
        told = DeviceKeys(pems).signed_digest(signature)
    except ComponentRefused as refusal:
        assert refusal.fault == ComponentFault.BAD_SIGNATURE
        assert refusal.detail.isprintable()
        assert len(refusal.detail) <= 400
        return False
    assert read_bundle(signature).sha256() == told.sha256
    assert told.signer.isprintable()
    assert told.sha256 == SHA256, "nobody signed other bytes"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "a.zip"
        archive.write_bytes(ARCHIVE)
        try:
            TrustedKeys(pems).require_signed(archive, signature)
        except ModelRejected as rejection:
            raise AssertionError(f"model_signing refuses what a device believes: {rejection}") from rejection
    return True


def changed_within(value: Any, changes: list[tuple[int, Any]]) -> Any:
    """The same value of JSON, with others in some of its places."""
    value = copy.deepcopy(value)
    for at, new in changes:
        if found := places(value):
            *way, last = found[at % len(found)]
            inner = value
            for key in way:
                inner = inner[key]
            inner[last] = copy.deepcopy(new)
    return value


def alice() -> list[str]:
    return [maker("alice").public.read_text()]


@given(CHANGES)
def test_a_signature_of_any_bytes(changes: list[Any]) -> None:
    data = genuine()
    for at, kind, piece in changes:
        data = change(data, at, kind, piece)
    check(data, alice())


@given(VALUE_CHANGES)
def test_a_bundle_of_any_values(changes: list[tuple[int, Any]]) -> None:
    check(json.dumps(changed_within(json.loads(genuine()), changes)).encode(), alice())


@given(VALUE_CHANGES)
def test_a_statement_of_any_values_by_a_trusted_key(changes: list[tuple[int, Any]]) -> None:
    statement = changed_within(statement_of(genuine()), changes)
    assume(SHA256 in json.dumps(statement))
    signed = maker("alice").signed(json.dumps(statement).encode())
    check(json.dumps(signed).encode(), alice())


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


DATES = st.sampled_from([LONG_AGO, LONG_AGO + datetime.timedelta(days=40), LONG_AGO - datetime.timedelta(days=40)])
USAGES = st.sampled_from(["none", "signs", "gives", "both", "neither"])
NAMES = st.sampled_from(["root", "office", "desk", "alice"])
CONSTRAINTS = st.sampled_from([x509.DNSName("elsewhere.example"), x509.DirectoryName(named("elsewhere"))])
CERTIFICATE = st.fixed_dictionaries(
    {
        "subject": NAMES,
        "begins": DATES,
        "authority": st.sampled_from([None, False, True, True, True]),
        "length": st.sampled_from([None, None, 0, 1]),
        "usage": USAGES,
        "for_code": st.booleans(),
        "constrained": st.none() | st.none() | CONSTRAINTS,
        "odd": st.sampled_from([False, False, False, False, True]),
        "issued_by": NAMES,
    }
)


def certificate(kind: dict[str, Any], issuer: str | None = None) -> x509.Certificate:
    """One as it may be, of the key of its subject's name."""
    by = issuer or kind["issued_by"]
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(kind["subject"]))
        .issuer_name(named(by))
        .public_key(maker(kind["subject"]).key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(kind["begins"])
        .not_valid_after(kind["begins"] + datetime.timedelta(days=30))
    )
    if kind["authority"] is not None:
        length = kind["length"] if kind["authority"] else None
        builder = builder.add_extension(x509.BasicConstraints(kind["authority"], length), critical=True)
    if kind["usage"] != "none":
        signs, gives = kind["usage"] in ("signs", "both"), kind["usage"] in ("gives", "both")
        usage = x509.KeyUsage(signs, False, kind["usage"] == "neither", False, False, gives, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    if kind["for_code"]:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    if kind["constrained"]:
        elsewhere = x509.NameConstraints([kind["constrained"]], None)
        builder = builder.add_extension(elsewhere, critical=False)
    if kind["odd"]:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
        builder = builder.add_extension(unknown, critical=True)
    return builder.sign(maker(by).key, hashes.SHA256())


def written(folder: Path, certificates: list[x509.Certificate]) -> list[Path]:
    paths = [folder / f"{number}.crt" for number in range(len(certificates))]
    for path, each in zip(paths, certificates, strict=True):
        path.write_bytes(each.public_bytes(Encoding.PEM))
    return paths


def believed(chain: list[x509.Certificate], trusted: list[x509.Certificate]) -> bool:
    """Whether an archive that Alice signed with these certificates is, by those who trust those authorities."""
    with tempfile.TemporaryDirectory() as name:
        archive, signature = Path(name) / "a.zip", Path(name) / "a.zip.sig"
        archive.write_bytes(ARCHIVE)
        Signer(maker("alice").private, written(Path(name), chain)).sign(archive, signature)
        pems = [each.public_bytes(Encoding.PEM).decode() for each in trusted]
        return check(signature.read_bytes(), pems)


@given(st.lists(CERTIFICATE, min_size=1, max_size=4), st.lists(CERTIFICATE, min_size=1, max_size=2), st.booleans())
def test_certificates_of_any_kind(kinds: list[dict[str, Any]], trusted: list[dict[str, Any]], in_line: bool) -> None:
    own = certificate(kinds[0] | {"subject": "alice"}, kinds[1]["subject"] if in_line and len(kinds) > 1 else None)
    line = [kind["subject"] for kind in [*kinds, *trusted]]
    others = [certificate(kind, line[at] if in_line else None) for at, kind in enumerate(kinds[1:], 2)]
    roots = [certificate(kind, kind["subject"] if in_line else None) for kind in trusted]
    believed([own, *others], roots)


PLAIN: dict[str, Any] = {
    "begins": LONG_AGO,
    "authority": True,
    "length": None,
    "usage": "both",
    "for_code": False,
    "constrained": None,
    "odd": False,
}
IN_LINE = ("root", "office", "alice")
ONE_FIELD = {
    "begins": DATES,
    "authority": st.sampled_from([None, False]),
    "length": st.sampled_from([0, 1]),
    "usage": USAGES,
    "for_code": st.booleans(),
    "constrained": CONSTRAINTS,
    "odd": st.booleans(),
}
FIELD_CHANGES = st.lists(
    st.sampled_from(sorted(ONE_FIELD)).flatmap(
        lambda field: st.tuples(st.sampled_from(IN_LINE), st.just(field), ONE_FIELD[field])
    ),
    max_size=2,
)


@given(FIELD_CHANGES)
def test_a_line_of_certificates_of_which_little_is_otherwise(changes: list[tuple[str, str, Any]]) -> None:
    kinds = {name: {**PLAIN, "subject": name} for name in IN_LINE}
    for name, field, value in changes:
        kinds[name][field] = value
    root, office = certificate(kinds["root"], "root"), certificate(kinds["office"], "root")
    own = certificate(kinds["alice"], "office")
    taken = believed([own, office], [root])
    assert taken or changes, "the line itself is believed"


def test_what_model_signing_refuses_of_certificates_is_refused() -> None:
    kinds = {name: {**PLAIN, "subject": name} for name in IN_LINE}
    root, office = certificate(kinds["root"], "root"), certificate(kinds["office"], "root")
    assert believed([certificate(kinds["alice"], "office"), office], [root])

    itself, again = certificate(kinds["alice"], "alice"), certificate(kinds["alice"], "alice")
    assert believed([itself], [itself])
    assert not believed([itself], [again]), "it vouches for itself, and another of its name is trusted"

    elsewhere = certificate(kinds["office"] | {"constrained": x509.DirectoryName(named("elsewhere"))}, "root")
    assert not believed([certificate(kinds["alice"], "office"), elsewhere], [root])


def test_what_is_changed_here_is_believed_unchanged() -> None:
    assert check(genuine(), alice())
    sign: Callable[[bytes], dict[str, Any]] = maker("alice").signed
    assert check(json.dumps(sign(json.dumps(statement_of(genuine())).encode())).encode(), alice())
    assert isinstance(maker("alice").key.curve, ec.SECP256R1)
