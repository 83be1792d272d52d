"""How long the calls of a model took: a histogram for each size of call, mergeable and bounded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from models.trials.counts import read_count

SIZES = 11
"""Kinds of calls by their number of images: 1, 2, 3 to 4, 5 to 8, … and above 512."""
WIDTH = 0.1
"""Of a bin, in natural logarithms of seconds: calls in it are within 10 % of each other."""
FASTEST, SLOWEST = 1e-5, 1e3
"""Seconds for an image. What is beyond is counted as if it were this."""
BINS = math.ceil(math.log(SLOWEST / FASTEST) / WIDTH)
_PARTS = 1_000_000
_LOWEST = math.log(FASTEST)


def size_of(images: int) -> int:
    """The kind of a call of so many images, 0 to `SIZES - 1`; two of one kind differ by less than a factor of two."""
    return min((max(images, 1) - 1).bit_length(), SIZES - 1)


class Latencies:
    """Of one model. Sums are whole numbers of millionths: the same in whatever order they are added."""

    def __init__(self) -> None:
        self._bins: dict[tuple[int, int], list[int]] = {}

    def add(self, images: int, seconds: float) -> None:
        """Notes one call; one whose time is not finite is left out.

        Args:
            images: that it had, at least 1.
            seconds: that all of it took.
        """
        if not math.isfinite(seconds):
            return
        each = min(max(seconds / max(images, 1), FASTEST), SLOWEST)
        above = math.log(each) - _LOWEST
        self._put((size_of(images), min(int(above / WIDTH), BINS - 1)), 1, round(above * _PARTS))

    def merge(self, other: Latencies) -> None:
        """Adds what another one noted."""
        for place, (calls, total) in other._bins.items():
            self._put(place, calls, total)

    def bins(self) -> Iterator[tuple[int, int, int, float]]:
        """(kind of call, bin, calls, sum of the natural logarithms of their seconds for an image), in order."""
        for (size, place), (calls, total) in sorted(self._bins.items()):
            yield size, place, calls, total / _PARTS + calls * _LOWEST

    @property
    def calls(self) -> int:
        """How many were noted."""
        return sum(calls for calls, _ in self._bins.values())

    def quantile(self, share: float, size: int | None = None) -> float | None:
        """Seconds for an image that this share of the calls kept to, within 10 %; None where there are none.

        Args:
            share: 0 to 1, such as 0.99.
            size: of calls of this kind alone, see `size_of`; None for all.
        """
        by_place: dict[int, tuple[int, float]] = {}
        for kind, place, calls, total in self.bins():
            if size in (None, kind):
                before, sum_before = by_place.get(place, (0, 0.0))
                by_place[place] = (before + calls, sum_before + total)
        reach = share * sum(calls for calls, _ in by_place.values())
        passed = 0.0
        for _, (calls, total) in sorted(by_place.items()):
            passed += calls
            if calls and passed >= reach:
                return math.exp(total / calls)
        return None

    def to_json(self) -> list[list[int]]:
        """As `read` reads it."""
        return [[*place, *told] for place, told in sorted(self._bins.items())]

    def read(self, value: Any) -> None:
        """Adds what `to_json` told.

        Raises:
            ValueError: it did not.
        """
        if not isinstance(value, list) or len(value) > SIZES * BINS:
            raise ValueError("not the times of calls")
        for size, place, calls, total in value:
            if read_count(size) >= SIZES or read_count(place) >= BINS:
                raise ValueError("no such kind of call")
            # A bin's sum is within its edges: nobody's numbers make others' times anything.
            low, high = place * WIDTH, (place + 1) * WIDTH
            if not low * _PARTS - 2 <= read_count(total) / max(read_count(calls), 1) <= high * _PARTS + 2:
                raise ValueError("times outside of their bin")
            self._put((size, place), calls, total)

    def _put(self, place: tuple[int, int], calls: int, total: int) -> None:
        told = self._bins.setdefault(place, [0, 0])
        told[0] += calls
        told[1] += total
