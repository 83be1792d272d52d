"""Says what does not work, once until it works again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping


class Troubles:
    """What is wrong now. Any thread may use it.

    Args:
        say: is told a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._told: dict[str, str] = {}

    @property
    def now(self) -> Mapping[str, str]:
        """What does not work at this moment: of each its word and why, the oldest first."""
        with self._lock:
            return dict(self._told)

    def begin(self, what: str, line: str) -> None:
        """Something does not work; it is said unless the same was said last.

        Args:
            what: that does not; a word of the caller's.
            line: why, for people.
        """
        with self._lock:
            is_new = self._told.get(what) != line
            self._told[what] = line
        if is_new:
            self._say(line)

    def end(self, what: str, line: str = "") -> None:
        """Something works.

        Args:
            what: as of `begin`.
            line: said where it did not before; "" for nothing.
        """
        with self._lock:
            was_told = self._told.pop(what, None) is not None
        if was_told and line:
            self._say(line)
