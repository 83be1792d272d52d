"""Names for exact model bytes, and the statement of which of them should be live."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DIGEST_DIGITS = 12
"""Of a file's SHA-256, in hexadecimal: those that tell models apart."""
DIGEST_PATTERN = f"[0-9a-f]{{{DIGEST_DIGITS}}}"
"""What such digits match, as a regular expression."""
_MODEL_ID = rf"(?P<uri>.+)@sha256:(?P<digest>{DIGEST_PATTERN})"
_REFERENCE = re.compile(_MODEL_ID, re.DOTALL)
_STATED = re.compile(rf"{_MODEL_ID}(?:;since=(?P<since>\d+))?", re.DOTALL)


def sha256_of(path: Path) -> str:
    """All 64 hexadecimal digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_name_of(uri: str) -> str:
    """A file's name without folder and extension: a model's name unless its card has one."""
    return PurePosixPath(uri).stem


@dataclass(frozen=True, slots=True)
class ModelReference:
    """The exact bytes of one model file.

    Attributes:
        uri: where the bytes were found, e.g. `gs://bucket/models/digits.h5`.
        digest: the first 12 hexadecimal digits of the file's SHA-256.
    """

    uri: str
    digest: str

    @property
    def model_id(self) -> str:
        """`URI@sha256:HHHHHHHHHHHH`: the tag that results bear."""
        return f"{self.uri}@sha256:{self.digest}"

    @property
    def file_name(self) -> str:
        """See `file_name_of`."""
        return file_name_of(self.uri)

    @classmethod
    def parse(cls, model_id: str) -> ModelReference:
        """The reference whose `model_id` this is.

        Raises:
            ValueError: it is none.
        """
        match = _REFERENCE.fullmatch(model_id)
        if match is None:
            raise _no_model_id(model_id)
        return cls(match["uri"], match["digest"])


@dataclass(frozen=True, slots=True)
class Statement:
    """The watcher's fact: `reference` is the newest valid model, and has been since `since`.

    Side inputs reach bundles late and out of order. `since` gives statements an order, so that a late old one
    is told from a rollback to an old model.

    Attributes:
        reference: the model that should be live.
        since: microseconds since the epoch at which this became so; greater means newer.
    """

    reference: ModelReference
    since: int

    def encode(self) -> str:
        """One line, as it travels in `ModelMetadata.model_id`: the model's id, then `;since=MICROSECONDS`."""
        return f"{self.reference.model_id};since={self.since}"

    @classmethod
    def decode(cls, text: str) -> Statement:
        """Reads what `encode` wrote; a bare model id is the oldest statement there is.

        Raises:
            ValueError: `text` is not a model id.
        """
        match = _STATED.fullmatch(text)
        if match is None:
            raise _no_model_id(text)
        return cls(ModelReference(match["uri"], match["digest"]), int(match["since"] or 0))


def _no_model_id(text: str) -> ValueError:
    return ValueError(f"not a model id (URI@sha256:HHHHHHHHHHHH): {text!r}")
