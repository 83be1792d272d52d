"""What does not come in: what is refused, and what is tried again, ever more seldom. Each is told once."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable

from edge.backoff import Backoff
from models.errors import DeviceFault, typed_line

Trouble = tuple[str, str]
"""A word, and one line of text."""

FOLDER = ""
"""The key of what concerns no archive."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 3600.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Retries:
    """By the SHA-256 of archives, as long as the same is desired of one process.

    Args:
        tell: is given a line about each.

    Attributes:
        refused: what is not tried.
        passing: what is tried again.
        untrusted: what runs though nobody who is trusted signed it.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._backoffs: dict[str, Backoff] = {}
        self._again_at: dict[str, float] = {}
        self.refused: dict[str, Trouble] = {}
        self.passing: dict[str, Trouble] = {}
        self.untrusted: dict[str, Trouble] = {}

    def refuse(self, key: str, title: str, word: str, detail: str, goes_on: str) -> None:
        """It is not tried."""
        self.forget(key)
        self.refused[key] = (word, detail)
        self._tell(f"{title} is not taken: {word}: {detail}; {goes_on}")

    def postpone(self, key: str, title: str, word: str, detail: str, goes_on: str) -> None:
        """It is tried again, later each time."""
        backoff = self._backoffs.setdefault(key, Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
        self._again_at[key] = time.monotonic() + backoff.failed()
        if key not in self.passing or self.passing[key][0] != word:
            self.passing[key] = (word, detail)
            self._tell(f"{title}: {word}: {detail}; it is tried again, and {goes_on}")

    def postpone_disk(self, key: str, title: str, error: OSError, goes_on: str) -> None:
        """The same, as this machine failed, or its disk is full."""
        fault = DeviceFault.DISK_FULL if error.errno in _FULL else DeviceFault.MACHINE
        self.postpone(key, title, str(fault), typed_line(error), goes_on)

    def came_on(self, key: str) -> None:
        """Some of it came, before it failed: the next pause is a short one."""
        self._backoffs.pop(key, None)

    def may_try(self, key: str) -> bool:
        """Whether it is neither refused nor too early."""
        return key not in self.refused and self._again_at.get(key, 0.0) <= time.monotonic()

    def seconds_left(self, keys: Iterable[str]) -> list[float]:
        """Until each of these archives may be tried again, where it failed before."""
        now = time.monotonic()
        return [self._again_at[key] - now for key in keys if key in self._again_at]

    def forget(self, key: str) -> None:
        """It is over."""
        for each in (self._backoffs, self._again_at, self.passing, self.refused):
            each.pop(key, None)

    def forget_all(self) -> None:
        """Something else is desired."""
        for each in (self._backoffs, self._again_at, self.passing, self.refused):
            each.clear()
