"""How often, and how much at once, each device may ask: one that hammers waits, and others do not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Allowance:
    """A bucket of tokens for each device.

    Devices are those that have shown their token: there are never more buckets than devices.

    Args:
        rate: requests in a second, in the long run.
        burst: at once, after a rest.
        stopwatch: seconds that only grow.
    """

    def __init__(
        self, rate: float = 50.0, burst: float = 500.0, stopwatch: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._stopwatch = stopwatch
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, device: str) -> float:
        """Lets a request go on, or not.

        Returns:
            seconds until the next may come; 0.0 where this one may go on.
        """
        now = self._stopwatch()
        left, at = self._left.get(device, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        waits = 0.0 if left >= 1 else (1 - left) / self._rate
        self._left[device] = (left - 1 if not waits else left, now)
        return waits


class AtOnce:
    """How many requests of one device are under way.

    Args:
        most: of one device.
    """

    def __init__(self, most: int = 2) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def one(self, device: str) -> Iterator[bool]:
        """Counts a request as under way within it; yields whether it may be, and counts no other."""
        may = self._under_way[device] < self._most
        self._under_way[device] += may
        try:
            yield may
        finally:
            self._under_way[device] -= may
            if not self._under_way[device]:
                del self._under_way[device]
