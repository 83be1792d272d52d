"""How long what failed is left alone: longer each time, within a bound, and never as long as others leave it."""

from __future__ import annotations

import random

JITTER = 0.2
"""Of an interval, either way: devices that began at one moment soon ask at many."""


def jittered(seconds: float) -> float:
    """About so many seconds."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, keeps no secret


class Backoff:
    """Of one thing that is tried again.

    Args:
        first: seconds after the first failure; about twice as long after each further one.
        longest: seconds, at most.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def failed(self) -> float:
        """Takes in a failure; seconds until the next try."""
        seconds, self._next = self._next, min(2 * self._next, self._longest)
        return jittered(seconds)

    def worked(self) -> None:
        """The next failure is a first one again."""
        self._next = self._first
