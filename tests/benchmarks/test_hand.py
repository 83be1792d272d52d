"""The hand writes each digit in many ways, the same again by the same seed, and always within the canvas."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.studio.hand import PEN, Handwriting, encoded, render, styles

ALL = [Handwriting(digit, style) for digit in range(10) for style in styles(digit)]


@pytest.mark.parametrize("writing", ALL, ids=lambda writing: f"{writing.digit} {writing.style}")
def test_what_is_written_fits_the_canvas_with_the_pens_width(writing: Handwriting) -> None:
    for seed in range(20):
        points = np.array([point for stroke in writing.strokes(seed) for point in stroke])
        assert points.min() > PEN / 2
        assert points.max() < 1 - PEN / 2


def test_the_same_seed_writes_the_same_and_another_does_not() -> None:
    writing = Handwriting(7, "barred")
    assert writing.strokes(1) == writing.strokes(1)
    assert writing.strokes(1) != writing.strokes(2)


def test_no_two_ways_to_write_a_digit_look_alike_to_the_pixel() -> None:
    assert len({render(writing.strokes(0), 56).tobytes() for writing in ALL}) == len(ALL)


def test_a_drawing_is_white_on_black_as_the_canvas_is() -> None:
    picture = np.asarray(Image.open(io.BytesIO(encoded(Handwriting(1).strokes(0), 280))))
    assert picture.shape == (280, 280)
    assert picture.max() == 255
    assert picture[0].max() == 0
    assert 280 / 16 < (picture[140] > 127).sum() < 280 / 8, "as wide as the pen"
