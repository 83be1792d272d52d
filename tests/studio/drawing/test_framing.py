"""A drawing becomes the picture that models learnt from, wherever it is drawn; hostile bytes are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from studio.drawing.framing import LARGEST_BYTES, LARGEST_SIDE, cost, encoded, framed
from studio.drawing.png_rows import has_all_rows
from studio.errors import StudioRefused, Trouble
from studio.retraining.digits import load_digits
from tests.studio.drawing.canvases import bomb, empty, one, pixels, png_of, rows_of, seven

SEVEN = png_of(seven())


def refused(png: bytes) -> StudioRefused:
    with pytest.raises(StudioRefused) as caught:
        framed(png)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_drawing_fills_the_frame_as_the_digits_do_that_models_learnt_from() -> None:
    learning, _ = load_digits()
    inked = learning.pixels > 64
    seen = framed(SEVEN)

    assert seen.shape == (28, 28) and seen.dtype == np.uint8
    assert inked.any(2).sum(1).mean() == pytest.approx((seen > 64).any(1).sum(), abs=2)
    low, high = np.percentile(learning.pixels.mean((1, 2)), (5, 95))
    assert low * 0.8 < seen.mean() < high
    assert seen.max() == 255


def test_a_one_stays_narrow_and_in_the_middle() -> None:
    columns = np.flatnonzero((framed(png_of(one())) > 64).any(0))

    assert len(columns) <= 14
    assert columns[0] + columns[-1] == pytest.approx(27, abs=1)


@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param(seven(left=0, top=0), id="in a corner"),
        pytest.param(seven(left=150, top=110, size=80, pen=10), id="small"),
        pytest.param(seven(pen=10), id="by a thin pen"),
        pytest.param(seven(pen=28), id="by a wide pen"),
        pytest.param(seven().resize((1024, 1024)), id="on a large canvas"),
        pytest.param(seven().convert("RGBA"), id="with transparency"),
        pytest.param(seven().convert("L"), id="grey"),
        pytest.param(seven().convert("1"), id="without shades"),
        pytest.param(seven().convert("P"), id="of a palette"),
    ],
)
def test_place_size_pen_and_canvas_hardly_change_what_a_model_sees(drawn: Image.Image) -> None:
    usual, seen = (framed(png).astype(float).ravel() for png in (SEVEN, png_of(drawn)))

    assert np.corrcoef(usual, seen)[0, 1] > 0.8


def test_the_same_drawing_is_the_same_bytes() -> None:
    assert encoded(framed(SEVEN)) == encoded(framed(png_of(seven())))
    assert np.array_equal(pixels(encoded(framed(SEVEN))), framed(SEVEN))


@pytest.mark.parametrize("side", [1, 280, LARGEST_SIDE])
def test_an_empty_canvas_is_told_to_be_drawn_on(side: int) -> None:
    error = refused(png_of(empty(side)))

    assert error.trouble is Trouble.BAD_DRAWING
    assert "draw a digit" in str(error)


@pytest.mark.parametrize("drawn", [Image.new("L", (280, 280), 255), Image.new("L", (1, 1), 255)], ids=["full", "dot"])
def test_whatever_is_drawn_becomes_a_picture(drawn: Image.Image) -> None:
    assert framed(png_of(drawn)).shape == (28, 28)


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_are_read_too(colour: int) -> None:
    assert framed(rows_of(280, 280, depth=16, colour=colour, ink=255)).max() > 64


def test_an_interlaced_picture_has_more_rows() -> None:
    # Of 8x8 pixels its seven passes have 15, with a byte each beside the pixels: 79 bytes, and not 72.
    assert has_all_rows(rows_of(8, 9, interlace=1)) and not has_all_rows(rows_of(8, 8, interlace=1))
    assert has_all_rows(rows_of(8, 8)) and not has_all_rows(rows_of(8, 7))


@pytest.mark.parametrize(("side", "counts"), [(28, 1), (280, 1), (560, 1), (800, 9), (1024, 14), (2048, 1)])
def test_a_large_canvas_counts_for_more(side: int, counts: int) -> None:
    assert cost(bomb(side)) == counts


def test_what_is_no_picture_counts_for_one() -> None:
    assert cost(b"<svg>") == cost(b"") == 1


@pytest.mark.parametrize(
    ("png", "trouble"),
    [
        pytest.param(b"", Trouble.BAD_DRAWING, id="nothing"),
        pytest.param(b"<svg onload=alert(1)>", Trouble.BAD_DRAWING, id="markup"),
        pytest.param(SEVEN[:60], Trouble.BAD_DRAWING, id="half"),
        pytest.param(rows_of(1024, 1, ink=255), Trouble.BAD_DRAWING, id="one row of many"),
        pytest.param(rows_of(280, 279, ink=255), Trouble.BAD_DRAWING, id="all rows but one"),
        pytest.param(SEVEN[:8], Trouble.BAD_DRAWING, id="a signature alone"),
        pytest.param(png_of(seven(), "JPEG"), Trouble.BAD_DRAWING, id="JPEG"),
        pytest.param(png_of(seven(), "GIF"), Trouble.BAD_DRAWING, id="GIF"),
        pytest.param(png_of(seven(), "WEBP"), Trouble.BAD_DRAWING, id="WebP"),
        pytest.param(SEVEN + bytes(LARGEST_BYTES), Trouble.TOO_LARGE, id="many bytes"),
        pytest.param(png_of(Image.new("L", (LARGEST_SIDE + 1, 1), 255)), Trouble.TOO_LARGE, id="one side long"),
        pytest.param(bomb(8_000), Trouble.TOO_LARGE, id="a bomb"),
        pytest.param(SEVEN[:16] + b"\x7f\xff\xff\xff" * 2 + SEVEN[24:], Trouble.TOO_LARGE, id="a size that lies"),
    ],
)
def test_what_is_no_drawing_is_refused_in_one_line(png: bytes, trouble: Trouble) -> None:
    assert refused(png).trouble is trouble


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(SEVEN) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_bytes_do_anything_else(changes: list[tuple[int, int]]) -> None:
    png = bytearray(SEVEN)
    for place, value in changes:
        png[place] = value
    try:
        assert framed(bytes(png)).shape == (28, 28)
    except StudioRefused as error:
        assert error.trouble in (Trouble.BAD_DRAWING, Trouble.TOO_LARGE)
