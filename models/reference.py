"""Names for exact model bytes, and the statement of which of them should be live."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DIGEST_DIGITS = 12
"""Of a file's SHA-256, in hexadecimal: those that people read. Nothing is found or compared by them."""
DIGEST_PATTERN = f"[0-9a-f]{{{DIGEST_DIGITS}}}"
"""What such digits match, as a regular expression."""
_STATED = re.compile(r"(?P<uri>.+)@sha256:(?P<sha256>[0-9a-f]{64});(?P<order>epoch|since)=(?P<number>\d+)", re.DOTALL)


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
        sha256: of the file, all 64 hexadecimal digits: two files of one digest's beginning are soon made.
    """

    uri: str
    sha256: str

    @property
    def digest(self) -> str:
        """The first 12 digits, for reading."""
        return self.sha256[:DIGEST_DIGITS]

    @property
    def model_id(self) -> str:
        """`URI@sha256:HHHHHHHHHHHH`: the tag that results bear."""
        return f"{self.uri}@sha256:{self.digest}"

    @property
    def file_name(self) -> str:
        """See `file_name_of`."""
        return file_name_of(self.uri)


@dataclass(frozen=True, slots=True)
class Statement:
    """The fact that a pattern's pointer states: `reference` is live, by its change number `epoch`.

    Side inputs reach bundles late and out of order. Epochs give statements an order, so that a late old one is told
    from a rollback to an old model.

    Attributes:
        reference: the model that should be live.
        epoch: of the pointer; greater means later.
    """

    reference: ModelReference
    epoch: int

    def encode(self) -> str:
        """One line, as it travels in `ModelMetadata.model_id`: `URI@sha256:64 DIGITS;epoch=NUMBER`."""
        return f"{self.reference.uri}@sha256:{self.reference.sha256};epoch={self.epoch}"

    @classmethod
    def decode(cls, text: str) -> Statement:
        """Reads what `encode` wrote.

        A job that is updated in place still holds statements of versions that ordered them by clocks: `since=` in place
        of `epoch=`. Any epoch is later.

        Raises:
            ValueError: it did not.
        """
        match = _STATED.fullmatch(text)
        if match is None:
            raise ValueError(f"not a statement (URI@sha256:…;epoch=…): {text!r}")
        epoch = int(match["number"]) if match["order"] == "epoch" else 0
        return cls(ModelReference(match["uri"], match["sha256"]), epoch)
