"""Corrections that people made, read from a folder whose bytes may be anybody's.

`corrections.jsonl` has a line for each: `{"image": "a.png", "label": 7, "unseen": false, "answer": …, "model_id": …,
"time": …}`, the later of two on one image counts. Images become pixels just as the stream makes them, by its own
decoder and fitting. They are not inverted, for the stream would not: white on black is what the page draws.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ImageError, ImageFault
from models.images.decoding import DecodeLimits, decode_image
from models.images.fitting import fit_image
from models.images.paths import open_local, resolve_image_path
from models.printable import logger
from studio.retraining.digits import CLASSES, SIDE, Digits, no_digits

CORRECTIONS = "corrections.jsonl"
_LOGGER = logger(__name__)
_LONGEST_LINE = 1 << 16
_SHOWN = 100
_LIMITS = DecodeLimits(max_bytes=4 << 20, max_pixels=1 << 24)


class _Line(NamedTuple):
    name: str
    label: int
    unseen: bool | None


class LineFault(StrEnum):
    """Why a line is left out, beside the words of images (`models.errors.ImageFault`)."""

    TOO_LONG = "line_too_long"
    NOT_JSON = "not_json"
    NO_IMAGE = "no_image"
    NO_DIGIT = "no_digit"
    NO_SIDE = "no_side"
    CORRECTED_AGAIN = "corrected_again"
    TOO_MANY = "too_many"


@dataclass(frozen=True, slots=True)
class Corrected:
    """Corrections that could be read.

    Attributes:
        images: any number of them.
        unseen: of each, whether no model may ever learn from it; None where its line does not say.
    """

    images: Digits
    unseen: tuple[bool | None, ...]


def read_corrections(folder: Path, settings: Mapping[str, Any]) -> tuple[Corrected, dict[str, int]]:
    """The corrections in a folder, and how many lines were left out by which word; bad ones never stop it.

    Args:
        folder: with `corrections.jsonl` and images in it or below; there may be none.
        settings: `most_corrections` that are read, the latest.

    Raises:
        OSError: the file of lines cannot be read.
    """
    left_out: Counter[str] = Counter()
    images: dict[bytes, tuple[NDArray[np.uint8], int, bool | None]] = {}
    for name, label, unseen in _latest(folder / CORRECTIONS, int(settings["most_corrections"]), left_out):
        try:
            pixels = _pixels(folder, name)
        except ImageError as error:
            left_out[error.fault] += 1
            _LOGGER.warning("a correction of %s is left out: %s", name[:_SHOWN], error)
            continue
        digest = digest_of(pixels)
        # Of one drawing under two names, as of two lines on one name, the later counts.
        if images.pop(digest, None) is not None:
            left_out[LineFault.CORRECTED_AGAIN] += 1
        images[digest] = (pixels, label, unseen)
    counted = {str(word): count for word, count in sorted(left_out.items())}
    _LOGGER.info("%d corrections; lines left out: %s", len(images), counted or "none")
    return _as_corrected(list(images.values())), counted


def digest_of(pixels: NDArray[np.uint8]) -> bytes:
    """The SHA-256 of an image's pixels, by which a drawing is known under any name."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).digest()


def _as_corrected(images: list[tuple[NDArray[np.uint8], int, bool | None]]) -> Corrected:
    if not images:
        return Corrected(no_digits(), ())
    pixels, labels, unseen = zip(*images, strict=True)
    return Corrected(Digits(np.stack(pixels), np.array(labels, np.int64)), unseen)


def _latest(path: Path, most: int, left_out: Counter[str]) -> Iterator[_Line]:
    """The latest corrections, in their order."""
    latest: dict[str, _Line] = {}
    for line in _lines(path, left_out):
        read = _read_line(line)
        if isinstance(read, LineFault):
            left_out[read] += 1
            continue
        if latest.pop(read.name, None) is not None:
            left_out[LineFault.CORRECTED_AGAIN] += 1
        latest[read.name] = read
        if len(latest) > most:
            del latest[next(iter(latest))]
            left_out[LineFault.TOO_MANY] += 1
    yield from latest.values()


def _lines(path: Path, left_out: Counter[str]) -> Iterator[bytes]:
    if not path.is_file():
        return
    with path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            if len(line) < _LONGEST_LINE or line.endswith(b"\n"):
                if line.strip():
                    yield line
                continue
            left_out[LineFault.TOO_LONG] += 1
            while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass


def _read_line(line: bytes) -> _Line | LineFault:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return LineFault.NOT_JSON
    if not isinstance(fields, dict):
        return LineFault.NOT_JSON
    name, label, unseen = fields.get("image"), fields.get("label"), fields.get("unseen")
    if not isinstance(name, str) or not name:
        return LineFault.NO_IMAGE
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < CLASSES:
        return LineFault.NO_DIGIT
    if not isinstance(unseen, bool | None):
        return LineFault.NO_SIDE
    return _Line(name, label, unseen)


def _pixels(folder: Path, name: str) -> NDArray[np.uint8]:
    """Shape (28, 28), of the image of a name; none that is not below the folder.

    Raises:
        ImageError: there is none that could be read.
    """
    within = [str(folder)]
    path = resolve_image_path(f"{folder}/{name}", within)
    try:
        with closing(open_local(path, within)) as file:
            data = file.read(_LIMITS.max_bytes + 1)
    except OSError as error:
        raise ImageError(ImageFault.UNAVAILABLE, f"the image cannot be read: {error.strerror or error}") from error
    raster = decode_image(data, limits=_LIMITS, needed=(SIDE, SIDE))
    return fit_image(raster, SIDE, SIDE, "stretch", 1)[..., 0]
