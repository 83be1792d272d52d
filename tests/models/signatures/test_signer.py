"""Keys as `openssl` writes them, and those that sign nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from models.errors import KeyUnusable
from models.signatures.signer import Signer
from models.signatures.trusted import TrustedKeys
from tests.models.signatures.makers import Maker

PASSWORD = "a word"


def openssl(*arguments: str) -> bytes:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "written",
    [
        ["ecparam", "-name", "prime256v1", "-genkey"],
        ["ecparam", "-name", "secp384r1", "-genkey", "-noout"],
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256", "-pass", f"pass:{PASSWORD}"],
    ],
    ids=["with parameters", "without", "PKCS 8", "encrypted"],
)
def test_keys_of_openssl_sign_and_their_public_halves_are_trusted(tmp_path: Path, written: list[str]) -> None:
    key, model, signature = (tmp_path / name for name in ("key.pem", "m.h5", "m.h5.sig"))
    key.write_bytes(openssl(*written))
    model.write_bytes(b"bytes")
    Signer(key, password=lambda: PASSWORD).sign(model, signature)
    public = openssl("pkey", "-in", str(key), "-pubout", "-passin", f"pass:{PASSWORD}")
    assert TrustedKeys([public.decode()]).require_signed(model, signature.read_bytes())


def test_a_signer_is_known_by_its_key_and_certificates_wherever_they_lie(tmp_path: Path) -> None:
    alice, bob = Maker(tmp_path, "alice"), Maker(tmp_path, "bob")
    plain = Signer(alice.private).fingerprint
    certified = Signer(alice.private, [alice.certified("Alice")]).fingerprint
    assert Signer(alice.encrypted(PASSWORD), password=lambda: PASSWORD).fingerprint == plain
    assert len({plain, certified, Signer(bob.private).fingerprint}) == 3


def test_a_key_that_signs_no_model_is_told_in_one_line(tmp_path: Path) -> None:
    alice, bob = Maker(tmp_path, "alice"), Maker(tmp_path, "bob")
    rsa = tmp_path / "rsa.pem"
    rsa.write_bytes(openssl("genrsa", "2048"))
    encrypted = alice.encrypted(PASSWORD)
    with pytest.raises(KeyUnusable, match="is no key of the curves"):
        Signer(rsa)
    with pytest.raises(KeyUnusable, match="is no private key"):
        Signer(alice.public)
    with pytest.raises(KeyUnusable, match="cannot be read: No such file"):
        Signer(tmp_path / "absent")
    with pytest.raises(KeyUnusable, match="is encrypted, and no password"):
        Signer(encrypted)
    with pytest.raises(KeyUnusable, match="the password is another"):
        Signer(encrypted, password=lambda: "a guess")
    with pytest.raises(KeyUnusable, match="cannot sign: The public key from the certificate does not match"):
        Signer(alice.private, [bob.certified("Bob")])
    with pytest.raises(KeyUnusable, match=r"cannot sign: .*No such file"):
        Signer(alice.private, [tmp_path / "absent.crt"])


def test_an_encrypted_key_signs_with_its_certificate_too(tmp_path: Path) -> None:
    alice, root = Maker(tmp_path, "alice"), Maker(tmp_path, "root")
    model, signature = tmp_path / "m.h5", tmp_path / "m.h5.sig"
    model.write_bytes(b"bytes")
    Signer(alice.encrypted(PASSWORD), [alice.certified("Alice", root)], lambda: PASSWORD).sign(model, signature)
    authority = root.certified("root", authority=True).read_text()
    assert TrustedKeys([authority]).require_signed(model, signature.read_bytes()) == "the certificate of CN=Alice"
