"""The keys that a reader of models trusts, and what they say of a model."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import KeyUnusable, ModelFault, ModelRejected, one_line
from models.printable import printable
from models.reference import DIGEST_DIGITS
from models.signatures.keys import checked_pem, holds_certificates, holds_key, public_key, subject_of
from models.storage import Storage
from models.storage.errors import InvalidAddress, StorageUnavailable
from models.storage.reading import read_small

if TYPE_CHECKING:  # takes a second to import, and most readers trust every key
    from model_signing.verifying import Config

_MOST_BYTES = 1 << 20


def read_trusted(storage: Storage, uris: Iterable[str]) -> tuple[str, ...]:
    """What the files hold, each checked: a public key, or certificates of authorities, in PEM.

    Raises:
        KeyUnusable: one is not there, or holds neither.
    """
    return tuple(checked_pem(uri, _read(storage, uri)) for uri in uris)


class TrustedKeys:
    """Holds signatures against the keys that are trusted. Threads may ask it side by side.

    Args:
        pems: as `read_trusted` gives them; at least one.
    """

    def __init__(self, pems: Sequence[str]) -> None:
        self._keys = dict(public_key(pem) for pem in pems if holds_key(pem))
        self._authorities = "\n".join(pem for pem in pems if holds_certificates(pem)).encode()

    def require_signed(self, model: Path, signature: bytes | None) -> str:
        """Refuses a model that none of these keys signed, and none whose certificate one of these authorities gave.

        Args:
            model: the file.
            signature: what lies beside it, as a Sigstore bundle; None where there is nothing.

        Returns:
            Who signed it, for people.

        Raises:
            ModelRejected: `unsigned` or `bad_signature`.
            OSError: of this machine.
        """
        if signature is None:
            raise ModelRejected(
                ModelFault.UNSIGNED,
                "there is no signature beside it (its name and .sig), and only models signed by a trusted key are "
                "served; publish it with --sign",
            )
        with tempfile.TemporaryDirectory(prefix="hotswap-signature-") as folder:
            bundle, trusted = (Path(folder) / name for name in ("bundle", "trusted"))
            bundle.write_bytes(signature)
            try:
                verifier, signer = self._verifier_of(_material(signature), trusted)
                verifier.verify(model, bundle)
            except ModelRejected:
                raise
            except Exception as error:  # hostile bytes make parsers raise whatever they like
                raise _bad(_in_words(error)) from error
        return signer

    def _verifier_of(self, material: dict[str, Any], trusted: Path) -> tuple[Config, str]:
        """What verifies a signature made with such a key, which is written to `trusted`, and who that is.

        Raises:
            ModelRejected: `bad_signature`; it is by none that is trusted.
        """
        from model_signing import verifying

        config = verifying.Config()
        match material:
            case {"publicKey": {"hint": str(hint)}}:
                if hint not in self._keys:
                    raise _bad(
                        f"it is by the key sha256:{printable(hint[:DIGEST_DIGITS])}, which is none of the trusted"
                    )
                trusted.write_bytes(self._keys[hint])
                config.use_elliptic_key_verifier(public_key=trusted)
                return config, f"the key sha256:{hint[:DIGEST_DIGITS]}"
            case {"x509CertificateChain": {"certificates": [{"rawBytes": str(encoded)}, *_]}}:
                if not self._authorities:
                    raise _bad("it is by a certificate, and no authority is trusted")
                trusted.write_bytes(self._authorities)
                config.use_certificate_verifier(certificate_chain=[trusted])
                return config, f"the certificate of {subject_of(base64.b64decode(encoded))}"
            case {"certificate": _}:
                raise _bad("it was made without a key, by an identity; sign it with a key or a certificate")
            case _:
                raise _bad("it does not say which key made it; sign it again by model-signing 1.0 or later")


def _material(signature: bytes) -> dict[str, Any]:
    """What a bundle says of the key that made it."""
    material = json.loads(signature)["verificationMaterial"]
    if not isinstance(material, dict):
        raise TypeError("verificationMaterial is no object")
    return material


def _bad(detail: str) -> ModelRejected:
    return ModelRejected(ModelFault.BAD_SIGNATURE, detail)


def _in_words(error: Exception) -> str:
    from cryptography.exceptions import InvalidSignature

    if isinstance(error, InvalidSignature):
        return "it was changed after it was made, or is not by the key that it names"
    if str(error).startswith("Signature mismatch"):
        return "it was made for other bytes than the file's"
    if isinstance(error, json.JSONDecodeError | KeyError | TypeError | RecursionError | UnicodeDecodeError):
        return "what lies beside the file is no signature (a Sigstore bundle, in JSON)"
    return printable(one_line(error))


def _read(storage: Storage, uri: str) -> str:
    try:
        return read_small(storage, uri, _MOST_BYTES).decode("ascii")
    except FileNotFoundError as error:
        raise KeyUnusable(f"there is no file {uri}") from error
    except (StorageUnavailable, InvalidAddress) as error:
        raise KeyUnusable(one_line(error)) from error
    except ValueError as error:
        raise KeyUnusable(f"{uri} is no public key and no certificate in PEM") from error
