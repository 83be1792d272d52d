"""Where the lines of the page's pictures go: numbers for SVG, without any text of strangers in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

INTERVAL_WIDTH = 300.0
HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT = 300.0, 90.0
_MARGIN = 0.12
"""Of the span of an interval's picture, free on both sides."""
_FINEST = 1e-9


class IntervalPicture(NamedTuple):
    """An interval against its limit; all in units of the picture, from 0 to `INTERVAL_WIDTH`.

    Attributes:
        low, high: the ends of the interval.
        value: what was measured.
        limit: where the limit is.
        bad_from, bad_to: the side of it that breaks the limit.
        begins, ends: what the picture's edges stand for, in the measure's own unit.
    """

    low: float
    high: float
    value: float
    limit: float
    bad_from: float
    bad_to: float
    begins: float
    ends: float


class Part(NamedTuple):
    """One bar of a picture; x and width, y and height from the top."""

    x: float
    y: float
    width: float
    height: float


def interval_picture(
    low: float, high: float, value: float, limit: float, bad_above: bool, least: float, most: float
) -> IntervalPicture:
    """Draws an interval with its limit in sight.

    Args:
        low: the interval's lower end.
        high: its upper end.
        value: what was measured.
        limit: that must be kept.
        bad_above: whether what is greater than the limit breaks it.
        least: the smallest value that there can be; the picture never begins below.
        most: the greatest one.
    """
    told = [each for each in (low, high, value, limit) if math.isfinite(each)]
    begins, ends = min(told), max(told)
    room = _MARGIN * max(ends - begins, abs(limit) / 10, _FINEST)
    begins, ends = max(least, begins - room), min(most, ends + room)
    ends = max(ends, begins + _FINEST)

    def at(number: float) -> float:
        share = (min(max(number, begins), ends) - begins) / (ends - begins)
        return round(INTERVAL_WIDTH * share, 2)

    edge = at(limit)
    bad = (edge, INTERVAL_WIDTH) if bad_above else (0.0, edge)
    return IntervalPicture(at(low), at(high), at(value), edge, *bad, begins, ends)


def outline(counts: Sequence[float], highest: float) -> str:
    """A histogram's outline as the `points` of a polygon, from the bottom left to the bottom right.

    Args:
        counts: of bins of equal width.
        highest: what reaches the top; 0 where there is nothing to draw.
    """
    if not counts or highest <= 0:
        return ""
    width = HISTOGRAM_WIDTH / len(counts)
    points = [(0.0, HISTOGRAM_HEIGHT)]
    for place, count in enumerate(counts):
        top = HISTOGRAM_HEIGHT * (1 - min(count / highest, 1.0))
        points += [(place * width, top), ((place + 1) * width, top)]
    points.append((HISTOGRAM_WIDTH, HISTOGRAM_HEIGHT))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def shares(counts: Sequence[float]) -> list[float]:
    """Each count's share of all of them; zeros where all are."""
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def schedule(shares_of_steps: Sequence[float], minutes: Sequence[float], width: float, height: float) -> list[Part]:
    """The steps of a trial side by side: as wide as they last, as high as their share, none too small to be seen."""
    total = sum(minutes)
    wide = [max(each / total, 0.04) for each in minutes]
    scale = width / sum(wide)
    parts, x = [], 0.0
    for share, each in zip(shares_of_steps, wide, strict=True):
        high = height * max(math.sqrt(share), 0.08)
        parts.append(Part(round(x, 2), round(height - high, 2), round(each * scale, 2), round(high, 2)))
        x += each * scale
    return parts
