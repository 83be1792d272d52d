"""A pair of keys for a demonstration: one signs components, the other is what devices trust."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Writes a private and a public key, in PEM; where they are."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "demo.key", folder / "demo.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public
