"""The last dead letters, by their words, with pictures of those whose images can be shown."""

from __future__ import annotations

import contextlib
import io
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from models.errors import ImageError, ImageFault, one_line
from models.images.decoding import DecodeLimits, decode_image
from models.images.paths import open_local, resolve_image_path
from studio.stream.state import NO_ANSWER

KEPT = 200
OTHER = "other"
"""What words are counted as that the job does not use."""

_LIMITS = DecodeLimits(max_bytes=8 << 20, max_pixels=1 << 24)
_SIDE = 256
_MINUTES = 60
_WORDS = [*map(str, ImageFault), NO_ANSWER, OTHER]
_LONGEST = 500
_NEVER_SHOWN = (
    *(ImageFault.EMPTY_FILE, ImageFault.TOO_LARGE, ImageFault.NOT_AN_IMAGE),
    *(ImageFault.UNSUPPORTED_FORMAT, ImageFault.NOT_A_FILE),
)
_SHOWN_IN_PART = ("PNG", "JPEG")


class _Kept(NamedTuple):
    path: str | None
    told: dict[str, Any]


class DeadLetters:
    """Any thread may use it. Its memory is bounded.

    Args:
        folders: images below these alone are shown.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(map(str, folders))
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._words = np.zeros((_MINUTES, len(_WORDS)), np.int64)
        self._minute_of = np.full(_MINUTES, -1, np.int64)

    def take(self, record: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Keeps a dead letter that came now, in seconds by the wall clock; what it says is taken for hostile.

        Returns:
            It, as `latest` will tell of it.
        """
        number = uuid.uuid4().hex
        image = record.get("image")
        word = str(record.get("error", ""))
        path = image if isinstance(image, str) and word not in _NEVER_SHOWN and self._may_be_shown(image) else None
        told: dict[str, Any] = {
            "id": number,
            "time": now,
            "image": one_line(image, _LONGEST) if image else None,
            "stage": one_line(record.get("stage", ""), _LONGEST) if record.get("stage") else "",
            "error": word if word in _WORDS else OTHER,
            "detail": one_line(record["detail"], _LONGEST) if record.get("detail") else "",
            "picture": f"/api/dead-letters/{number}.png" if path is not None else None,
        }
        with self._lock:
            self._kept[number] = _Kept(path, told)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            minute = int(now // 60)
            place = minute % _MINUTES
            if self._minute_of[place] != minute:
                self._minute_of[place], self._words[place] = minute, 0
            self._words[place, _WORDS.index(told["error"])] += 1
        return told

    def latest(self) -> list[dict[str, Any]]:
        """All that are kept, newest first."""
        with self._lock:
            return [each.told for each in reversed(self._kept.values())]

    def words(self, now: float) -> dict[str, int]:
        """How many of each word came within the last hour, to the minute; the most frequent first."""
        with self._lock:
            sums = self._words[self._minute_of > int(now // 60) - _MINUTES].sum(axis=0).tolist()
        counted = {word: count for word, count in zip(_WORDS, sums, strict=True) if count}
        return dict(sorted(counted.items(), key=lambda each: -each[1]))

    def picture(self, number: str) -> bytes | None:
        """The image of a dead letter, as a PNG of at most 256 pixels a side that was made here.

        None where there is none to show: it is not below the folders any more, too large, or no image.
        """
        with self._lock:
            kept = self._kept.get(number)
        if kept is None or kept.path is None:
            return None
        try:
            return self._drawn(kept.path)
        except (ImageError, OSError, ValueError):
            return None

    def _drawn(self, image: str) -> bytes:
        """Raises ImageError, OSError or ValueError."""
        with open_local(resolve_image_path(image, self._folders), self._folders) as file:
            data = file.read(_LIMITS.max_bytes + 1)
        try:
            picture = Image.fromarray(decode_image(data, limits=_LIMITS, needed=(_SIDE // 2, _SIDE // 2)).pixels)
        except ImageError as error:
            if error.fault not in (ImageFault.TRUNCATED, ImageFault.CORRUPT):
                raise
            picture = _begun(data)
        picture.thumbnail((_SIDE, _SIDE))
        png = io.BytesIO()
        picture.save(png, "PNG")
        return png.getvalue()

    def _may_be_shown(self, image: str) -> bool:
        """Whether it is a file in its place; whether it can be decoded is seen when it is asked for."""
        try:
            resolve_image_path(image, self._folders)
        except ImageError:
            return False
        return True


def _begun(data: bytes) -> Image.Image:
    """As much of an image as a broken file still tells; what it does not is black.

    Raises:
        ValueError: nothing of it.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=_SHOWN_IN_PART)
        if image.width * image.height > _LIMITS.max_pixels:
            raise ValueError("it has too many pixels")
        with contextlib.suppress(OSError):
            image.load()
        image.tile = []  # nothing more is looked for
        return image.convert("RGB")
    except Exception as error:  # Pillow's plugins raise whatever a hostile file makes them
        raise ValueError(one_line(error)) from error
