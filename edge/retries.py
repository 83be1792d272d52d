"""What does not come in: what is refused, and what is tried again, ever more seldom. Each is told once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from edge.backoff import Backoff
from models.errors import DeviceFault, FetchFault, typed_line
from models.storage.errors import FULL_DISK

Trouble = tuple[str, str]
"""A word, and one line of text."""

FOLDER = ""
"""The key of what concerns no archive."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 3600.0
_SOME_SHARE = 0.02
"""Of an archive: a download that is cut so often goes on at once, and comes to its end."""


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
        self._spoiled: set[str] = set()
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
        if word == FetchFault.WRONG_DIGEST:
            self._spoiled.add(key)
        backoff = self._backoffs.setdefault(key, Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
        self._again_at[key] = time.monotonic() + backoff.failed()
        if key not in self.passing or self.passing[key][0] != word:
            self.passing[key] = (word, detail)
            self._tell(f"{title}: {word}: {detail}; it is tried again, and {goes_on}")

    def postpone_disk(self, key: str, title: str, error: OSError, goes_on: str) -> None:
        """The same, as this machine failed, or its disk is full."""
        fault = DeviceFault.DISK_FULL if error.errno in FULL_DISK else DeviceFault.MACHINE
        self.postpone(key, title, str(fault), typed_line(error), goes_on)

    def came_on(self, key: str, share: float) -> None:
        """Some of it came, before it failed: the next pause is a short one, where that was much, and never was wrong.

        Args:
            key: of an archive.
            share: of it that came.
        """
        if share >= _SOME_SHARE and key not in self._spoiled:
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
        self._spoiled.discard(key)

    def forget_archives(self) -> None:
        """Something else is desired; the disk is as it was."""
        for key in {*self._backoffs, *self._again_at, *self.passing, *self.refused} - {FOLDER}:
            self.forget(key)
