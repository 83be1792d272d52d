"""What strangers can cause as often as they like is told now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

_SECONDS = 60.0


class Seldom:
    """Says of each thing once in a while, and how often it was kept quiet. Any thread may use it.

    Args:
        seconds: between two lines about one thing.
        stopwatch: seconds that only grow.
    """

    def __init__(self, seconds: float = _SECONDS, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._of: dict[Hashable, tuple[float, int]] = {}

    def count(self, what: Hashable) -> int:
        """Whether it is told now.

        Args:
            what: happened; of a few things.

        Returns:
            how often it happened since it was told last, this time with it; 0 where it is not told.
        """
        now = self._stopwatch()
        with self._lock:
            at, before = self._of.get(what, (float("-inf"), 0))
            is_due = now - at >= self._seconds
            self._of[what] = (now, 0) if is_due else (at, before + 1)
        return before + 1 if is_due else 0
