"""Where a model goes, and under which name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from models.errors import ReleaseError
from models.model_files import LONGEST_STEM, MODEL_SUFFIXES, SUFFIXES_OF_KIND, FileKind
from models.reference import DIGEST_DIGITS, DIGEST_PATTERN

_PUBLISHED_NAME = re.compile(rf"-\d{{8}}T\d{{6}}Z-{DIGEST_PATTERN}$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a model goes.

    Attributes:
        folder: a local folder or `gs://bucket[/prefix]`, as its user wrote it: a job's pattern in the same form
            gives results the same `model_id`.
        name: the file's name; None for one that is made up so that it collides with none.
    """

    folder: str
    name: str | None

    @property
    def remote(self) -> bool:
        """Whether it lies in a bucket."""
        return self.folder.startswith("gs://")

    def address(self, name: str) -> str:
        """The URI of a file of this name here."""
        return f"{self.folder.rstrip('/')}/{name}" if self.remote else os.path.join(self.folder, name)  # noqa: PTH118


def read_destination(text: str) -> Destination:
    """What a DESTINATION means: a file where it ends in a model's suffix and is no folder, else a folder or prefix.

    Raises:
        ReleaseError: a pattern, a bucket without a name, or a storage that cannot be published to.
    """
    scheme, separator, rest = text.partition("://")
    if separator and (scheme != "gs" or not rest.split("/")[0]):
        raise ReleaseError(f"{text} is not a place to publish to; a local folder or gs://BUCKET/FOLDER/ is expected")
    if not text or any(character in text for character in "*?["):
        raise ReleaseError(f"{text!r} is a pattern; give the folder alone, or a file name")
    is_file = PurePosixPath(text).suffix.lower() in MODEL_SUFFIXES and not text.endswith("/")
    if separator:
        folder, _, name = text.rpartition("/")
        return Destination(folder, name) if is_file and folder != "gs:/" else Destination(text, None)
    if is_file and not Path(text).is_dir():
        return Destination(*os.path.split(text))
    return Destination(text, None)


def checked_name(name: str, kind: FileKind) -> str:
    """A name that a user chose for a published file.

    Raises:
        ReleaseError: its suffix promises another kind of file than this is.
    """
    expected = SUFFIXES_OF_KIND[kind]
    if PurePosixPath(name).suffix.lower() not in expected:
        raise ReleaseError(f"{name} is not a fitting name for this file; it should end in {' or '.join(expected)}")
    return name


def name_of_its_own(model_name: str, kind: FileKind, sha256: str, now: datetime | None = None) -> str:
    """`STEM-yyyymmddThhmmssZ-HHHHHHHHHHHH.SUFFIX`: other bytes, or a later time, make another name.

    Args:
        model_name: the file's present name.
        kind: what the file is.
        sha256: of its bytes.
        now: the present time where None.
    """
    own = PurePosixPath(model_name)
    suffix = own.suffix.lower() if own.suffix.lower() in SUFFIXES_OF_KIND[kind] else SUFFIXES_OF_KIND[kind][0]
    time = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{model_stem(model_name)}-{time}-{sha256[:DIGEST_DIGITS]}{suffix}"


def model_stem(model_name: str) -> str:
    """A file's name without its extension, without what an earlier publishing added, fit for any file system."""
    stem = _PUBLISHED_NAME.sub("", PurePosixPath(model_name).stem)
    fit = re.sub(r"[^\w.-]+", "-", stem).strip("-.")
    return fit.encode()[:LONGEST_STEM].decode(errors="ignore") or "model"  # file systems count bytes
