"""What OpenSSF Model Signing makes of one file: a Sigstore bundle, in it a DSSE envelope, in it an in-toto statement.

It is read strictly. Whatever `model_signing` would not write of a single file (several signatures or resources, shards,
paths left out, other digests, fields that nobody knows, keys twice) is no signature here, so that no two readers of one
bundle can read two things in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from models.components.twin import LONGEST_SIGNATURE

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_PREDICATE_TYPE = "https://model_signing/signature/v1.0"
_THE_FILE_ITSELF = "."
_NEVER_THE_FILE = frozenset({".git", ".gitattributes", ".github", ".gitignore"})
"""Paths that `model_signing` always leaves out: none of them is the file."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class StatementMalformed(ValueError):  # noqa: N818 - named for the state it reports
    """A signature that is none of a single file; its text is one line."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signature's parts, of which nothing is proved.

    Attributes:
        material: what it says of the key that made it.
        payload: the statement that is signed, in JSON.
        signature: of `signed_bytes`.
    """

    material: dict[str, Any]
    payload: bytes
    signature: bytes

    @property
    def signed_bytes(self) -> bytes:
        """The payload in the encoding that is signed (PAE of DSSE), which binds its type and its length."""
        return b"DSSEv1 %d %b %d %b" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(self.payload), self.payload)

    def sha256(self) -> str:
        """Of the one file that the statement is of: all 64 hexadecimal digits.

        Raises:
            StatementMalformed: it is of something else.
        """
        try:
            return _digest_of(_strict_json(self.payload))
        except (ValueError, TypeError, RecursionError) as error:
            raise _not_of_a_file(error) from error


def read_bundle(signature: str | bytes) -> Bundle:
    """Takes a signature apart.

    Raises:
        StatementMalformed: it is none.
    """
    if len(signature) > LONGEST_SIGNATURE:
        raise StatementMalformed(f"it has more than {LONGEST_SIGNATURE:,} bytes, and a signature has a few thousand")
    try:
        value = _strict_json(signature)
    except (ValueError, RecursionError) as error:
        raise StatementMalformed("it is no signature (a Sigstore bundle, in JSON)") from error
    match value:
        case {"mediaType": str(kind), "verificationMaterial": dict(material), "dsseEnvelope": dict(envelope), **more}:
            if kind != _MEDIA_TYPE:
                raise StatementMalformed(f"it is of the kind {ascii(kind)[:80]}, and {_MEDIA_TYPE} is expected")
            if more:
                raise StatementMalformed("it holds more than a signature of a model does")
            return _enveloped(material, envelope)
        case _:
            raise StatementMalformed("it is no signature (a Sigstore bundle, in JSON)")


def from_base64(text: str) -> bytes:
    """Bytes that are written in base64.

    Raises:
        ValueError: they are written otherwise.
    """
    return base64.b64decode(text, validate=True)


def _enveloped(material: dict[str, Any], envelope: dict[str, Any]) -> Bundle:
    match envelope:
        case {"payloadType": str(kind)} if kind != _PAYLOAD_TYPE:
            raise StatementMalformed(f"it signs something of the kind {ascii(kind)[:80]}, and no statement of a model")
        case {"signatures": list(several)} if len(several) != 1:
            raise StatementMalformed(f"it has {len(several)} signatures, and one is expected")
        case {
            "payloadType": str(),
            "payload": str(payload),
            "signatures": [{"sig": str(signature), **rest}],
            **more,
        } if not more and rest in ({}, {"keyid": ""}, {"keyid": None}):
            try:
                return Bundle(material, from_base64(payload), from_base64(signature))
            except ValueError as error:
                raise StatementMalformed("its envelope is not written in base64") from error
        case _:
            raise StatementMalformed("its envelope (DSSE) cannot be read")


def _digest_of(statement: Any) -> str:
    """The digest of the file, where the statement says of it what `model_signing` says of single files."""
    match statement:
        case {
            "_type": str(kind),
            "predicateType": str(predicate_kind),
            "subject": [{"name": str(), "digest": {"sha256": str(of_digests)}}],
            "predicate": {"serialization": dict(how), "resources": list(resources)},
        }:
            pass
        case _:
            raise ValueError("it is no statement of one model")
    if (kind, predicate_kind) != (_STATEMENT_TYPE, _PREDICATE_TYPE):
        raise ValueError(f"it is of the kind {ascii(kind)[:60]} and {ascii(predicate_kind)[:60]}")
    _require_whole(how)
    match resources:
        case [{"name": str(name), "algorithm": "sha256", "digest": str(digest)}] if name == _THE_FILE_ITSELF:
            pass
        case _:
            raise ValueError("it is of a folder, of several files, or of another digest than SHA-256")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("its SHA-256 is none")
    if hashlib.sha256(bytes.fromhex(digest)).hexdigest() != of_digests:
        raise ValueError("it says two things of the file")
    return digest


def _require_whole(how: dict[str, Any]) -> None:
    """Refuses digests that are of parts of a file."""
    match how:
        case {"method": "files", "hash_type": "sha256", "allow_symlinks": bool(), **more}:
            left_out = more.pop("ignore_paths", [])
        case _:
            raise ValueError("the file was digested in parts, or by another digest than SHA-256")
    if more or not isinstance(left_out, list) or not _NEVER_THE_FILE.issuperset(left_out):
        raise ValueError("parts of it were left out")


def _not_of_a_file(error: Exception) -> StatementMalformed:
    what = "its statement is no JSON" if isinstance(error, UnicodeDecodeError | json.JSONDecodeError) else str(error)
    return StatementMalformed(f"it signs no single file: {what}")


def _strict_json(data: str | bytes) -> Any:
    """JSON in UTF-8 that says each thing once.

    Raises:
        ValueError: it is something else.
        RecursionError: it is nested too deeply.
    """
    text = data if isinstance(data, str) else data.decode()
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("it says something twice")
    return value
