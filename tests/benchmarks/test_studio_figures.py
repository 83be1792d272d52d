"""What the bench of the page makes of what it saw: growth of memory, and the film's frames."""

from __future__ import annotations

from itertools import pairwise
from math import hypot

import pytest

from benchmarks.studio.film import finely
from benchmarks.studio.hand import Handwriting
from benchmarks.studio.memory import MemoryOverTime


def test_memory_that_grows_once_and_then_stays_is_flat() -> None:
    seen = MemoryOverTime([2.0 * at for at in range(100)], [100.0 + min(at, 10) for at in range(100)], [])
    assert seen.an_hour(seen.studio) == pytest.approx(0, abs=1e-6)
    assert seen.ends(seen.studio) == (110, 110)


def test_memory_that_leaks_is_told_by_the_hour() -> None:
    seen = MemoryOverTime([2.0 * at for at in range(100)], [100.0 + at for at in range(100)], [])
    assert seen.an_hour(seen.studio) == pytest.approx(1800)


def test_a_finer_stroke_goes_through_the_same_points_in_small_steps() -> None:
    strokes = Handwriting(7, "barred").strokes(1)
    for stroke, fine in zip(strokes, finely(strokes, 0.04), strict=True):
        assert all(min(hypot(x - u, y - v) for u, v in fine) < 1e-9 for x, y in stroke)
        assert all(hypot(x - u, y - v) < 0.07 for (x, y), (u, v) in pairwise(fine))
