"""Names for exact model bytes, and the statement of which of them should be live."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote, unquote

DIGEST_DIGITS = 12
"""Of a file's SHA-256, in hexadecimal: those that people read. Nothing is found or compared by them."""
DIGEST_PATTERN = f"[0-9a-f]{{{DIGEST_DIGITS}}}"
"""What such digits match, as a regular expression."""
_STATED = re.compile(
    r"(?P<uri>.+)@sha256:(?P<sha256>[0-9a-f]{64});(?P<order>epoch|since)=(?P<number>\d+)(;trial=(?P<trial>[^@;]+))?",
    re.DOTALL,
)
_TRIAL = re.compile(
    r"(?P<number>\d+)/(?P<step>\d+)/(?P<mode>shadow|canary)/(?P<share>[0-9.e-]+)/(?P<sha256>[0-9a-f]{64})/(?P<uri>[^@;]+)"
)

Mode = Literal["shadow", "canary"]
"""Of a trial: whether the new model's answers are results."""


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
class StatedTrial:
    """That a new model is tried, as each worker is told it.

    Attributes:
        number: names the trial, see `models.trials.trial.Trial`.
        new: the model that is tried.
        mode: `shadow` or `canary`.
        share: of the images, above 0 and at most 1.
        step: of the trial's policy, from 0; what is seen of each is judged for itself.
    """

    number: int
    new: ModelReference
    mode: Mode
    share: float
    step: int = 0

    def encode(self) -> str:
        """Without `@` and `;`, whatever the file is called."""
        uri = quote(self.new.uri, errors="surrogatepass")
        return f"{self.number}/{self.step}/{self.mode}/{self.share!r}/{self.new.sha256}/{uri}"

    @classmethod
    def decode(cls, text: str) -> StatedTrial:
        """Reads what `encode` wrote.

        Raises:
            ValueError: it did not.
        """
        match = _TRIAL.fullmatch(text)
        if match is None:
            raise ValueError(f"not a trial (NUMBER/STEP/MODE/SHARE/SHA256/URI): {text!r}")
        mode: Mode = "shadow" if match["mode"] == "shadow" else "canary"
        new = ModelReference(unquote(match["uri"], errors="surrogatepass"), match["sha256"])
        return cls(int(match["number"]), new, mode, float(match["share"]), int(match["step"]))


@dataclass(frozen=True, slots=True)
class Statement:
    """The fact that a pattern's pointer states: `reference` is live, by its change number `epoch`.

    Side inputs reach bundles late and out of order. Epochs give statements an order, so that a late old one is told
    from a rollback to an old model.

    Attributes:
        reference: the model that should be live.
        epoch: of the pointer; greater means later.
        trial: of another model meanwhile; None where there is none.
    """

    reference: ModelReference
    epoch: int
    trial: StatedTrial | None = None

    def encode(self) -> str:
        """One line, as it travels in `ModelMetadata.model_id`: `URI@sha256:64 DIGITS;epoch=NUMBER[;trial=TRIAL]`."""
        trial = f";trial={self.trial.encode()}" if self.trial else ""
        return f"{self.reference.uri}@sha256:{self.reference.sha256};epoch={self.epoch}{trial}"

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
        trial = StatedTrial.decode(match["trial"]) if match["trial"] else None
        return cls(ModelReference(match["uri"], match["sha256"]), epoch, trial)
