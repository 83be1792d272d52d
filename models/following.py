"""What a process follows, and when it has reason to doubt what it hears."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from models.reference import Statement

_POLLS = 3
"""For which a process hears of nothing but earlier statements before it doubts the registry."""


class Following:
    """The latest statement that a process has heard.

    A statement of an earlier epoch is a late one. Where nothing but earlier ones come, the registry has lost its
    pointer and begun anew, and this process knows more.

    Args:
        poll_seconds: between two statements.
        stopwatch: seconds that only grow.
    """

    def __init__(self, poll_seconds: float, stopwatch: Callable[[], float] = time.monotonic) -> None:
        self._poll_seconds = poll_seconds
        self._stopwatch = stopwatch
        self._overtaken: float | None = None
        self._lock = threading.Lock()
        self.latest: Statement | None = None

    def hear(self, statement: Statement) -> bool:
        """Takes in a statement; whether the registry should be told of `latest`. Threads may call it side by side."""
        with self._lock:
            if self.latest is None or statement.epoch >= self.latest.epoch:
                self.latest = statement
                self._overtaken = None
                return False
            now = self._stopwatch()
            if self._overtaken is None:
                self._overtaken = now
            doubtful = now - self._overtaken > _POLLS * self._poll_seconds
            if doubtful:
                self._overtaken = None
            return doubtful
