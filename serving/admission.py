"""Who is let in: as many images as there is room for, and as can be answered in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from serving.asking import Code, Refused

_WEIGHT = 0.1
"""Of the newest pace among those before."""
_LEAST_JUDGED = 8
"""Paces that are seen before anybody is refused for them."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be under way at once.

    Attributes:
        images: at least one; they are decoded while they wait.
        size: bytes, of requests as they came and of what models take of their images.
    """

    images: int = 256
    size: int = 512 << 20


class Admission:
    """Counts what is under way. All of it runs on the event loop, but for `paced`."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._images = 0
        self._size = 0
        self._lock = threading.Lock()
        self._paces = 0
        self._pace = 0.0
        self._last = 0.0

    @property
    def images(self) -> int:
        """How many are under way."""
        return self._images

    @property
    def size(self) -> int:
        """Bytes of what is under way, see `Room`."""
        return self._size

    @contextmanager
    def admitted(self, images: int, size: int, deadline: float) -> Iterator[None]:
        """Counts a request as under way.

        Args:
            images: of the request.
            size: bytes.
            deadline: by the monotonic clock.

        Raises:
            Refused: `RESOURCE_EXHAUSTED`, at once: no room, or no time; `INVALID_ARGUMENT` for more than there ever is
                room for.
        """
        if images > self.room.images or size > self.room.size:
            raise Refused(
                Code.INVALID_ARGUMENT,
                f"a request of {images} images and {size:,} bytes; at most {self.room.images} and {self.room.size:,} "
                "are taken in: send several",
            )
        if self._images + images > self.room.images or self._size + size > self.room.size:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"{self._images} images are waiting; try again in a moment")
        wait = self._images * self._pace if self._paces >= _LEAST_JUDGED else 0.0
        if wait and time.monotonic() + wait > deadline:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"{self._images} images are waiting, which takes {wait:.2f} s: past the deadline",
            )
        self._images += images
        self._size += size
        try:
            yield
        finally:
            self._images -= images
            self._size -= size

    def paced(self, images: int, others_wait: bool) -> None:
        """Takes in that a batch is done, from any thread.

        Args:
            images: of the batch.
            others_wait: whether more were waiting: else the time since the last batch tells nothing of the pace.
        """
        now = time.monotonic()
        with self._lock:
            if others_wait and self._last:
                newest = (now - self._last) / images
                self._pace += (newest - self._pace) * (_WEIGHT if self._paces else 1.0)
                self._paces += 1
            self._last = now if others_wait else 0.0
