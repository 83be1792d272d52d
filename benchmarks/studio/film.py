"""A short animated picture, put together from what a browser shows."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page

from benchmarks.studio.hand import Point, Stroke

_POINTER = "#e4572e"
_POINTER_RADIUS = 7
_COLOURS = 96
_POINTS_A_FRAME = 3


class Film:
    """Frames of one page, each with how long it is shown.

    Args:
        page: that is filmed.
        width: of the frames, in pixels; the page is shown in its own shape.
    """

    def __init__(self, page: Page, width: int) -> None:
        self._page, self._width = page, width
        self._frames: list[Image.Image] = []
        self._milliseconds: list[int] = []
        self._pointer: tuple[float, float] | None = None

    def show(self, milliseconds: int) -> None:
        """Shows the page as it is now for so long; longer than before, where nothing has changed."""
        frame = Image.open(io.BytesIO(self._page.screenshot())).convert("RGB")
        if self._pointer:
            self._mark(frame, *self._pointer)
        frame = frame.resize((self._width, round(frame.height * self._width / frame.width)), Image.Resampling.LANCZOS)
        if self._frames and self._frames[-1].tobytes() == frame.tobytes():
            self._milliseconds[-1] += milliseconds
        else:
            self._frames.append(frame)
            self._milliseconds.append(milliseconds)

    def draw(self, strokes: Sequence[Stroke], milliseconds: int) -> None:
        """Draws by mouse on the canvas, so long a frame."""
        box = self._page.get_by_test_id("canvas").bounding_box()
        if box is None:
            raise RuntimeError("the canvas is not shown")
        for stroke in strokes:
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
            self._page.mouse.move(*points[0])
            self._page.mouse.down()
            for number, point in enumerate(points):
                self._page.mouse.move(*point)
                self._pointer = point
                if number % _POINTS_A_FRAME == 0:
                    self.show(milliseconds)
            self._page.mouse.up()
        self._pointer = None

    def tap(self, name: str, milliseconds: int) -> None:
        """Shows the pointer on an element of a `data-testid` for so long, and clicks there."""
        part = self._page.get_by_test_id(name)
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        if box is None:
            raise RuntimeError(f"{name} is not shown")
        self._pointer = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self._page.mouse.move(*self._pointer)
        self.show(milliseconds)
        part.click()
        self._pointer = None

    def save(self, path: Path) -> int:
        """Writes an animated GIF that begins again at its end, and returns its size in bytes."""
        palette = self._frames[-1].quantize(_COLOURS)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames]
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=self._milliseconds, loop=0, optimize=True
        )
        return path.stat().st_size

    def _mark(self, frame: Image.Image, x: float, y: float) -> None:
        circle = (x - _POINTER_RADIUS, y - _POINTER_RADIUS, x + _POINTER_RADIUS, y + _POINTER_RADIUS)
        ImageDraw.Draw(frame).ellipse(circle, outline=_POINTER, width=3)


def finely(strokes: Sequence[Stroke], step: float = 0.04) -> tuple[Stroke, ...]:
    """The same strokes, with points so near to each other: who watches sees the pen move."""
    return tuple(tuple(_finely(stroke, step)) for stroke in strokes)


def _finely(stroke: Stroke, step: float) -> Iterator[Point]:
    yield stroke[0]
    for (from_x, from_y), (to_x, to_y) in pairwise(stroke):
        parts = max(1, round(math.hypot(to_x - from_x, to_y - from_y) / step))
        for part in range(1, parts + 1):
            yield from_x + (to_x - from_x) * part / parts, from_y + (to_y - from_y) * part / parts
