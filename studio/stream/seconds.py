"""What happened in each second of the last hour, in memory that never grows."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

KEPT_SECONDS = 3600
LATENCY_SECONDS = 10
"""Over so many seconds percentiles are told."""

_MOST_LATENCIES = 8192
_MOST_OPEN_BATCHES = 64


class Seconds:
    """A ring of columns, one a second. Not for several threads.

    Args:
        now: the second that begins it, by the wall clock.
    """

    def __init__(self, now: float) -> None:
        self._second = int(now)
        self._whole = 0
        self._time = np.zeros(KEPT_SECONDS, np.int64)
        self._counts = np.zeros((2, KEPT_SECONDS), np.int32)
        self._told = np.full((3, KEPT_SECONDS), np.nan)
        self._now = np.zeros(2, np.int32)
        self._latencies = np.zeros(_MOST_LATENCIES)
        self._arrivals = np.full(_MOST_LATENCIES, -np.inf)
        self._taken = 0
        self._open: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._sizes = np.zeros(2, np.int64)

    def take_result(self, now: float, milliseconds: float | None, batch: tuple[str, str]) -> None:
        """A result that arrived.

        Args:
            now: when, by the wall clock.
            milliseconds: that it took; None where unknown.
            batch: what its batch is known by.
        """
        self.roll(now)
        self._now[0] += 1
        if milliseconds is not None:
            place = self._taken % _MOST_LATENCIES
            self._latencies[place], self._arrivals[place] = milliseconds, now
            self._taken += 1
        size = self._open.setdefault(batch, [0, 0])
        size[0], size[1] = size[0] + 1, self._second
        if len(self._open) > _MOST_OPEN_BATCHES:
            self._close_batch(next(iter(self._open)))

    def take_dead_letter(self, now: float) -> None:
        """A dead letter that arrived."""
        self.roll(now)
        self._now[1] += 1

    def roll(self, now: float) -> None:
        """Completes the seconds before this one. A clock that was set back stands still until it has caught up."""
        this = int(now)
        self._second = max(self._second, this - KEPT_SECONDS)  # whatever was before is older than an hour
        while self._second < this:
            self._complete()
            self._second += 1

    def columns(self) -> dict[str, list[Any]]:
        """All whole seconds, oldest first."""
        places = [number % KEPT_SECONDS for number in range(max(0, self._whole - KEPT_SECONDS), self._whole)]
        results, dead_letters = self._counts[:, places].tolist()
        p50, p99, batch = ([_number(each) for each in row] for row in self._told[:, places].tolist())
        return {
            "time": self._time[places].tolist(),
            "results": results,
            "dead_letters": dead_letters,
            "p50": p50,
            "p99": p99,
            "batch": batch,
        }

    def last(self) -> dict[str, Any]:
        """The last whole second; zeros and nothing while there is none."""
        if not self._whole:
            nothing: dict[str, Any] = {"p50": None, "p99": None, "batch": None}
            return {"time": self._second - 1, "results": 0, "dead_letters": 0} | nothing
        place = (self._whole - 1) % KEPT_SECONDS
        results, dead_letters = self._counts[:, place].tolist()
        p50, p99, batch = (_number(each) for each in self._told[:, place].tolist())
        time = int(self._time[place])
        return {
            "time": time, "results": results, "dead_letters": dead_letters, "p50": p50, "p99": p99, "batch": batch
        }  # fmt: skip

    def _complete(self) -> None:
        place = self._whole % KEPT_SECONDS
        for batch in [batch for batch, (_, seen) in self._open.items() if seen < self._second]:
            self._close_batch(batch)
        images, batches = self._sizes
        self._time[place] = self._second
        self._counts[:, place] = self._now
        self._told[:2, place] = self._percentiles()
        self._told[2, place] = images / batches if batches else np.nan
        self._now[:] = 0
        self._sizes[:] = 0
        self._whole += 1

    def _percentiles(self) -> Any:
        end = self._second + 1
        recent = self._latencies[(self._arrivals >= end - LATENCY_SECONDS) & (self._arrivals < end)]
        return np.percentile(recent, (50, 99)) if recent.size else np.nan

    def _close_batch(self, batch: tuple[str, str]) -> None:
        images, _ = self._open.pop(batch)
        self._sizes += (images, 1)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 1)
