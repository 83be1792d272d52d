"""A hand that writes digits: in several styles, never twice the same, and again the same by the same seed."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from benchmarks.studio.shapes import SHAPES

Point = tuple[float, float]
Stroke = tuple[Point, ...]
"""Where the pen goes from being set down until it is lifted, in a unit square whose `0, 0` is at the upper left."""

PEN = 1 / 12
"""How wide the pen of the page is, of the canvas's side."""

_CURVE_POINTS = 5
_FINER = 4
_MARGIN = 0.06

_WAYS: Mapping[str, Callable[[Point], Point]] = MappingProxyType(
    {
        "slanted": lambda point: (point[0] + 0.5 * (0.5 - point[1]), point[1]),
        "leaning back": lambda point: (point[0] - 0.45 * (0.5 - point[1]), point[1]),
        "mirrored": lambda point: (1 - point[0], point[1]),
        "flat": lambda point: (0.5 + 1.3 * (point[0] - 0.5), 0.5 + 0.5 * (point[1] - 0.5)),
        "lying": lambda point: (0.5 + 0.8 * (point[1] - 0.5), 0.5 - 0.8 * (point[0] - 0.5)),
    }
)
"""What may be done to the plain form of any digit."""


@dataclass(frozen=True, slots=True)
class Handwriting:
    """One way to write one digit.

    Attributes:
        digit: 0 to 9.
        style: one of `styles(digit)`.
    """

    digit: int
    style: str = "plain"

    def strokes(self, seed: int, trembling: float = 1.0) -> tuple[Stroke, ...]:
        """The digit as it is written this time.

        Args:
            seed: the same writes the same again.
            trembling: how far each time is from the form; 0 is the form itself.

        Raises:
            KeyError: there is no such digit or style.
        """
        shapes = SHAPES[self.digit]
        way = _WAYS.get(self.style)
        shape = shapes["plain" if way else self.style]
        random_ = random.Random(f"{self.digit} {self.style} {seed}")  # noqa: S311 - no secret
        moved = _movement(random_, trembling)
        lines = []
        for text in shape:
            points = [_point(pair) for pair in text.lstrip("~").split()]
            points = [moved(way(point) if way else point) for point in points]
            lines.append(tuple(_rounded(points)) if text.startswith("~") else tuple(points))
        return _within(lines)


def styles(digit: int) -> tuple[str, ...]:
    """How this digit may be written: its own ways first, then the awkward ones of every digit."""
    return (*SHAPES[digit], *_WAYS)


def render(strokes: Sequence[Stroke], side: int = 280) -> npt.NDArray[np.uint8]:
    """What the page's canvas shows of it: white on black, shape `[side, side]`."""
    fine = side * _FINER
    image = Image.new("L", (fine, fine))
    pen = ImageDraw.Draw(image)
    width = round(fine * PEN)
    for stroke in strokes:
        points = [(x * fine, y * fine) for x, y in stroke]
        pen.line(points, fill=255, width=width)
        for x, y in points:
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.uint8)


def encoded(strokes: Sequence[Stroke], side: int = 280) -> bytes:
    """The same as the bytes of a PNG."""
    file = io.BytesIO()
    Image.fromarray(render(strokes, side)).save(file, "PNG")
    return file.getvalue()


def _point(pair: str) -> Point:
    x, y = pair.split(",")
    return int(x) / 100, int(y) / 100


def _movement(random_: random.Random, trembling: float) -> Callable[[Point], Point]:
    turned = math.radians(random_.gauss(0, 4) * trembling)
    slanted = random_.gauss(0, 0.06) * trembling
    wide, tall = (1 + random_.gauss(0, 0.06) * trembling for _ in range(2))

    def moved(point: Point) -> Point:
        x, y = (each - 0.5 + random_.gauss(0, 0.012) * trembling for each in point)
        x, y = wide * (x - slanted * y), tall * y
        return (
            0.5 + x * math.cos(turned) - y * math.sin(turned),
            0.5 + x * math.sin(turned) + y * math.cos(turned),
        )

    return moved


def _rounded(points: Sequence[Point]) -> Iterator[Point]:
    """A line of Catmull and Rom through the points."""
    closed = [points[0], *points, points[-1]]
    for before, first, second, after in zip(closed, closed[1:], closed[2:], closed[3:], strict=False):
        for step in range(_CURVE_POINTS):
            at = step / _CURVE_POINTS
            yield _between(before, first, second, after, at)
    yield points[-1]


def _between(before: Point, first: Point, second: Point, after: Point, at: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        return (2 * b + (c - a) * at + (2 * a - 5 * b + 4 * c - d) * at**2 + (3 * b - a - 3 * c + d) * at**3) / 2

    return (
        along(before[0], first[0], second[0], after[0]),
        along(before[1], first[1], second[1], after[1]),
    )


def _within(strokes: Sequence[Stroke]) -> tuple[Stroke, ...]:
    """The same, moved and made smaller where it would not fit the canvas with the pen's width."""
    room = 1 - 2 * (_MARGIN + PEN / 2)
    low = [min(point[axis] for stroke in strokes for point in stroke) for axis in (0, 1)]
    high = [max(point[axis] for stroke in strokes for point in stroke) for axis in (0, 1)]
    scale = min(1.0, *(room / max(top - bottom, 1e-9) for bottom, top in zip(low, high, strict=True)))
    middle = [(bottom + top) / 2 for bottom, top in zip(low, high, strict=True)]
    half = [min(scale * (top - bottom) / 2, room / 2) for bottom, top in zip(low, high, strict=True)]
    edge = _MARGIN + PEN / 2
    centre = [min(max(at, edge + by), 1 - edge - by) for at, by in zip(middle, half, strict=True)]
    return tuple(
        tuple((centre[0] + scale * (x - middle[0]), centre[1] + scale * (y - middle[1])) for x, y in stroke)
        for stroke in strokes
    )
