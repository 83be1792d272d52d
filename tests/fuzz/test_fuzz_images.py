"""Whatever bytes an image has, it is pixels or an `ImageError`, soon and in little memory."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ImageError
from models.images.decoding import DecodeLimits, decode_image
from tests import sample_images as samples

LIMITS = DecodeLimits(max_bytes=1 << 20, max_pixels=1 << 20)
MOST_SECONDS = 5.0
#: A megapixel in every form it takes on the way is 16 MiB; the rest is the allocator's.
MOST_GROWTH_KIB = 200 * 1024

SEEDS = samples.valid_files() | {
    "exif.jpg": samples.rotated("JPEG", 6),
    "exif.png": samples.rotated("PNG", 6),
    "exif.webp": samples.rotated("WEBP", 6),
    "exif.tiff": samples.rotated("TIFF", 6),
    "grey_16_bit.png": samples.grey_16_bit()[0],
    "text.png": samples.png_text_bomb(1_000_000),
    "tiles.tiff": samples.tiff_tile_bomb(),
    "runs.bmp": samples.bmp_rle_bomb(),
}
SPECIAL = [bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x01", b"\x7f\xff\xff\xff", b"\xff\xd8", b"\xff\xda", b"\xff"]


def change(data: bytes, at: int, kind: int, piece: bytes) -> bytes:
    """`data` with `piece` written over it, put into it, or that much taken out of it, at `at`."""
    at %= len(data) + 1
    if kind == 0:
        return data[:at] + piece + data[at + len(piece) :]
    if kind == 1:
        return data[:at] + piece + data[at:]
    if kind == 2:
        return data[:at] + data[at + len(piece) :]
    return data[:at]


#: Most of what goes wrong sits in the headers, so half of the changes are made there.
CHANGES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 200), st.integers(0, 1 << 16)),
        st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
        st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(SPECIAL)),
    ),
    min_size=1,
    max_size=6,
)


def check(data: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    try:
        pixels = decode_image(data, limits=LIMITS, needed=(32, 32)).pixels
    except ImageError as error:
        assert error.detail.isprintable()
        assert len(error.detail) <= 300
    else:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.size <= 3 * LIMITS.max_pixels
    assert time.perf_counter() - started < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST_GROWTH_KIB


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SEEDS)
@given(changes=CHANGES)
def test_a_damaged_image_is_pixels_or_an_image_error(name: str, changes: list[tuple[int, int, bytes]]) -> None:
    data = SEEDS[name]
    for at, kind, piece in changes:
        data = change(data, at, kind, piece)
    check(data)


SIGNATURES = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"RIFF\x10\x00\x00\x00WEBPVP8X",
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    st.sampled_from(SIGNATURES),
    st.binary(max_size=300),
)
def test_noise_after_a_signature_is_an_image_error(signature: bytes, noise: bytes) -> None:
    check(signature + noise)
