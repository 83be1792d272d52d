"""Signing a model with a key, or with a key and its certificate."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import KeyUnusable, one_line
from models.signatures.keys import CURVES

if TYPE_CHECKING:
    from model_signing.signing import Config

_HOW_TO_MAKE_ONE = "openssl ecparam -name prime256v1 -genkey -noout"


class Signer:
    """Signs models by OpenSSF Model Signing.

    Args:
        key: a private key of an elliptic curve, in PEM.
        certificates: in PEM: the key's own first, then those that lead to an authority; the key alone signs where
            there are none.
        password: asked for that of an encrypted key; it cannot be used where None.

    Attributes:
        fingerprint: SHA-256 in hexadecimal digits of the public key, and of the certificates in their order: another
            one where devices might trust one of two signers alone, and the same wherever the files lie.

    Raises:
        KeyUnusable: the key is none that signs models, or the first certificate is not its own.
    """

    def __init__(self, key: Path, certificates: Sequence[Path] = (), password: Callable[[], str] | None = None) -> None:
        from model_signing import signing

        self._config = signing.Config()
        with _plain(key, password) as (readable, public):
            try:
                _use(self._config, readable, certificates)
                self.fingerprint = _fingerprint(public, certificates)
            except (OSError, ValueError) as error:
                raise KeyUnusable(f"{key} cannot sign: {one_line(error)}") from error

    def sign(self, model: Path, target: Path) -> None:
        """Writes a model's signature.

        Raises:
            OSError: of this machine.
        """
        self._config.sign(model, target)


def _use(config: Config, key: Path, certificates: Sequence[Path]) -> None:
    if not certificates:
        config.use_elliptic_key_signer(private_key=key)
        return
    own, *others = certificates
    # A chain of none is refused; one's own certificate adds nothing to it.
    config.use_certificate_signer(private_key=key, signing_certificate=own, certificate_chain=others or [own])


def _fingerprint(public: bytes, certificates: Sequence[Path]) -> str:
    digests = [hashlib.sha256(each).digest() for each in (public, *(path.read_bytes() for path in certificates))]
    return hashlib.sha256(b"".join(digests)).hexdigest()


@contextmanager
def _plain(key: Path, password: Callable[[], str] | None) -> Iterator[tuple[Path, bytes]]:
    """The key's file, or one that lies on no disk with what an encrypted one holds: `model_signing` reads none such.
    And its public half.

    Raises:
        KeyUnusable: it is none that signs models.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        pem = key.read_bytes()
        secret = _password_of(key, pem, password)
        loaded = serialization.load_pem_private_key(pem, secret)
    except OSError as error:
        raise KeyUnusable(f"{key} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{key} is no private key in PEM, or the password is another: {one_line(error)}") from error
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.curve.name not in CURVES:
        raise KeyUnusable(f"{key} is no key of the curves {', '.join(CURVES)}; make one: {_HOW_TO_MAKE_ONE}")
    public = loaded.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if secret is None:
        yield key, public
        return
    descriptor = os.memfd_create("key")
    try:
        os.write(
            descriptor,
            loaded.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        yield Path(f"/proc/self/fd/{descriptor}"), public
    finally:
        os.close(descriptor)


def _password_of(key: Path, pem: bytes, password: Callable[[], str] | None) -> bytes | None:
    """None where the key is not encrypted."""
    if b"ENCRYPTED" not in pem:
        return None
    if password is None:
        raise KeyUnusable(f"{key} is encrypted, and no password was given")
    return password().encode()
