"""How long calls of both models took, for calls of each size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from launch.trial_report.drawing import outline, shares
from models.trials.evidence import Evidence
from models.trials.latencies import FASTEST, WIDTH, Latencies

_MOST_DRAWN = 4
"""Sizes of calls, of which a picture is shown: those with the most calls of the model that has fewer."""
_FEWEST_DRAWN = 10
"""Calls of a side, below which its histogram tells nothing."""
_LARGEST = 10


class SideTimes(NamedTuple):
    """Of one model; times of an image, in its unit."""

    calls: str
    p50: str
    p99: str
    points: str


@dataclass(frozen=True, slots=True)
class SizeTimes:
    """Of calls of one size.

    Attributes:
        images: how many images such a call has.
        old, new: the models' times.
        drawn: whether a picture is shown.
        begins, ends: what its edges stand for.
    """

    images: str
    old: SideTimes
    new: SideTimes
    drawn: bool
    begins: str
    ends: str


class Times(NamedTuple):
    """Of calls of all sizes."""

    about: str
    rows: Sequence[SizeTimes]


def latency_of(evidence: Evidence) -> Times | None:
    """The times of both models; None where no call was noted."""
    old, new = evidence.old.latencies, evidence.new.latencies
    if not old.calls and not new.calls:
        return None
    bins = (_by_size(old), _by_size(new))
    sizes = sorted({*bins[0], *bins[1]})
    fewer = {size: min(sum(side.get(size, {}).values()) for side in bins) for size in sizes}
    drawn = [size for size in sorted(sizes, key=lambda size: -fewer[size]) if fewer[size] >= _FEWEST_DRAWN]
    rows = []
    for size in sizes:
        places = [place for side in bins for place in side.get(size, {})]
        first, last = min(places), max(places)
        histograms = [shares([side.get(size, {}).get(at, 0) for at in range(first, last + 1)]) for side in bins]
        highest = max(max(each) for each in histograms)
        of_old, of_new = (
            SideTimes(
                f"{sum(side.get(size, {}).values()):,}",
                _time(of.quantile(0.5, size)),
                _time(of.quantile(0.99, size)),
                outline(histogram, highest) if size in drawn[:_MOST_DRAWN] else "",
            )
            for of, side, histogram in zip((old, new), bins, histograms, strict=True)
        )
        begins, ends = (_time(FASTEST * math.exp(WIDTH * at)) for at in (first, last + 1))
        rows.append(SizeTimes(_size(size), of_old, of_new, size in drawn[:_MOST_DRAWN], begins, ends))
    about = "Time for an image, in calls of as many images: sizes are never mixed, since large calls are cheaper."
    return Times(about, rows)


def _by_size(latencies: Latencies) -> dict[int, dict[int, int]]:
    told: dict[int, dict[int, int]] = {}
    for size, place, calls, _ in latencies.bins():
        told.setdefault(size, {})[place] = calls
    return told


def _size(size: int) -> str:
    most = 1 << size
    least = (most >> 1) + 1
    if size >= _LARGEST:
        return f"over {most >> 1} images"
    if least >= most:
        return "1 image" if most == 1 else f"{most} images"
    return f"{least}–{most} images"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.{2 if seconds < 0.01 else 1}f} ms"
