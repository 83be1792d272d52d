"""Keys, certificates, and what other people's programs make of them: `openssl`'s and `model_signing`'s own."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from models.signatures.signer import Signer

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Maker:
    """Somebody with a key.

    Attributes:
        private, public: its two halves, in PEM.
    """

    def __init__(self, folder: Path, name: str, curve: ec.EllipticCurve | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(curve or ec.SECP256R1())
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub"
        self.private.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.public.write_bytes(self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def encrypted(self, password: str) -> Path:
        """The private half, as one that nobody reads without the password."""
        path = self.folder / f"{self.name}.encrypted.pem"
        how = BestAvailableEncryption(password.encode())
        path.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
        return path

    def certified(
        self,
        subject: str,
        by: Maker | None = None,
        *,
        authority: bool = False,
        signs: bool = True,
        begins: datetime.datetime = LONG_AGO,
    ) -> Path:
        """A certificate of this key, given by `by` or by itself, for thirty days; unless told, it ran out long ago."""
        issuer = by or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer.name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(_usage(signs=signs, authority=authority), critical=True)
        )
        path = self.folder / f"{self.name}.by-{issuer.name}.crt"
        path.write_bytes(builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return path

    def signed(self, payload: bytes) -> dict[str, Any]:
        """A bundle in which this key signs whatever it is given, and names itself."""
        pem = self.public.read_bytes()
        how = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[self.key.curve.key_size]
        encoded = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
        signature = {"sig": base64.b64encode(self.key.sign(encoded, ec.ECDSA(how))).decode(), "keyid": ""}
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(pem).hexdigest()}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [signature],
            },
        }


def statement_of(bundle: bytes) -> dict[str, Any]:
    """What a bundle says."""
    statement: dict[str, Any] = json.loads(base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"]))
    return statement


def signed(model: Path, signer: Signer) -> bytes:
    """Our own signature of a file."""
    target = model.with_name("its.sig")
    signer.sign(model, target)
    return target.read_bytes()


def signed_by_their_tool(model: Path, *arguments: str | Path) -> Path:
    """A model's signature beside it, made by `model_signing sign ARGUMENTS`."""
    signature = model.with_name(f"{model.name}.sig")
    _model_signing("sign", *arguments, "--signature", signature, model)
    return signature


def verified_by_their_tool(model: Path, *arguments: str | Path) -> None:
    """Fails where `model_signing verify ARGUMENTS` does."""
    _model_signing("verify", *arguments, "--signature", model.with_name(f"{model.name}.sig"), model)


def _model_signing(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs: bool, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
