"""Public keys and certificates of authorities in PEM, for whoever verifies signatures, by whatever program."""

from __future__ import annotations

import hashlib

from models.errors import KeyUnusable, one_line
from models.printable import printable

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Of elliptic-curve keys: those that OpenSSF Model Signing takes."""
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"
_PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----"


def holds_certificates(pem: str) -> bool:
    """Whether a file is of authorities."""
    return _CERTIFICATE in pem


def holds_key(pem: str) -> bool:
    """Whether a file has a public key."""
    return _PUBLIC_KEY in pem


def checked_pem(name: str, pem: str) -> str:
    """A trusted key, where that is what a file holds.

    Args:
        name: of the file, for people.
        pem: what it holds.

    Raises:
        KeyUnusable: it holds something else.
    """
    from cryptography import x509

    if "PRIVATE KEY-----" in pem:
        raise KeyUnusable(f"{name} is a private key; trust its public half: openssl pkey -in {name} -pubout")
    try:
        if holds_certificates(pem):
            x509.load_pem_x509_certificates(pem.encode())
        elif holds_key(pem):
            public_key(pem)
        else:
            raise KeyUnusable(f"{name} is no public key and no certificate in PEM")
    except ValueError as error:
        raise KeyUnusable(f"{name} cannot be trusted: {one_line(error)}") from error
    return pem


def public_key(pem: str) -> tuple[str, bytes]:
    """A key as its hint, by which a signature names it, and its PEM, whose SHA-256 that is.

    Raises:
        ValueError: it is none that signs models.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_public_key(pem.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise ValueError(f"it is no key of the curves {', '.join(CURVES)} (the first is also called prime256v1)")
    normal = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(normal).hexdigest(), normal


def subject_of(der: bytes) -> str:
    """Whom a certificate is of, as it says itself; believed once its signature is proved.

    Raises:
        ValueError: it is none.
    """
    from cryptography import x509

    return printable(x509.load_der_x509_certificate(der).subject.rfc4514_string())[:200]
