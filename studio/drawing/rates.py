"""How often a browser may draw, told by a bucket each."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """How much is let through.

    Attributes:
        sustained: a second, for as long as one likes.
        burst: at once, after a pause.
    """

    sustained: float
    burst: int


@dataclass(slots=True)
class _Bucket:
    left: float
    filled: float


class Rates:
    """Lets each through at a rate of its own, and all together at another."""

    def __init__(
        self, each: Rate, together: Rate, most: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Takes the rates.

        Args:
            each: of one.
            together: of all.
            most: how many are known at once; the bucket of who came longest ago is forgotten, that is, full again.
            clock: seconds.
        """
        self._each = each
        self._together = together
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(together.burst, clock())
        self._lock = threading.Lock()

    def let(self, who: str, cost: int = 1) -> bool:
        """Whether one more of theirs is let through now; where it is, it counts.

        Args:
            who: asks.
            cost: for how many it counts.
        """
        now = self._clock()
        with self._lock:
            bucket = self._buckets.pop(who, None) or _Bucket(self._each.burst, now)
            self._buckets[who] = bucket
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
            _fill(self._all, self._together, now)
            _fill(bucket, self._each, now)
            if min(bucket.left, self._all.left) < cost:
                return False
            bucket.left -= cost
            self._all.left -= cost
            return True


def _fill(bucket: _Bucket, rate: Rate, now: float) -> None:
    bucket.left = min(rate.burst, bucket.left + (now - bucket.filled) * rate.sustained)
    bucket.filled = now
