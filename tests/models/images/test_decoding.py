"""What decoding gives of an image file, and what it may cost, whatever the bytes are."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from models.errors import ImageError, ImageFault
from models.images import containers, decoding
from models.images.decoding import DecodeLimits, decode_image
from models.images.fitting import fit_image
from tests import sample_images as samples

LIMITS = DecodeLimits()
NEEDED = (224, 224)
#: Mean absolute difference, of 255, after the last resize to 224x224; measured: 0.15 to 0.55.
REDUCTION_BOUND = 1.3


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def fault_of(data: bytes, limits: DecodeLimits = LIMITS) -> ImageFault:
    with pytest.raises(ImageError) as caught:
        decode_image(data, limits=limits)
    assert caught.value.detail.isprintable()
    return caught.value.fault


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
@pytest.mark.parametrize("name", samples.valid_files())
def test_an_odd_but_valid_image_is_what_pillow_shows(name: str) -> None:
    data = samples.valid_files()[name]
    pixels = decode_image(data, limits=LIMITS, needed=NEEDED).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, by_pillow(data))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(10))
def test_an_image_stands_upright_as_its_exif_says(form: str, orientation: int) -> None:
    data = samples.rotated(form, orientation)
    np.testing.assert_array_equal(decode_image(data, limits=LIMITS).pixels, by_pillow(data))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_in_xmp_alone_counts(form: str) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    if form == "PNG":
        body = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + xmp
        data = samples.with_png_chunk(samples.encoded(samples.small(), form), b"iTXt", body)
    else:
        data = samples.encoded(samples.small(), form, xmp=xmp)
    pixels = decode_image(data, limits=LIMITS).pixels
    assert pixels.shape == (64, 43, 3)
    np.testing.assert_array_equal(pixels, by_pillow(data))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_shades(form: str) -> None:
    data, grey = samples.grey_16_bit(form)
    np.testing.assert_array_equal(decode_image(data, limits=LIMITS).pixels, np.dstack([grey] * 3))


def test_samples_without_an_agreed_range_are_refused_not_guessed() -> None:
    data = samples.encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    assert fault_of(data) == ImageFault.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg", "mosaic"])
@pytest.mark.parametrize("size", [(1280, 960), (4032, 3024)])
def test_a_large_jpeg_is_decoded_small_and_stays_within_the_stated_bound(name: str, size: tuple[int, int]) -> None:
    image = samples.mosaic(*size) if name == "mosaic" else samples.photo(name).resize(size)
    data = samples.encoded(image, "JPEG", quality=90)
    reduced = decode_image(data, limits=LIMITS, needed=NEEDED)
    exact = decode_image(data, limits=LIMITS, needed=NEEDED, exact=True)
    np.testing.assert_array_equal(exact.pixels, by_pillow(data))
    assert (reduced.reduced, exact.reduced) == (True, False)
    assert all(2 * 224 <= side < 4 * 224 for side in reduced.pixels.shape[:1])
    fitted = [fit_image(raster, 224, 224, "stretch", 3).astype(int) for raster in (reduced, exact)]
    assert np.abs(fitted[0] - fitted[1]).mean() <= REDUCTION_BOUND


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_a_large_image_of_another_format_is_reduced_after_decoding(form: str) -> None:
    data = samples.encoded(samples.mosaic(2000, 1500), form)
    reduced = decode_image(data, limits=LIMITS, needed=NEEDED)
    assert reduced.reduced
    assert reduced.pixels.shape == (500, 667, 3)
    whole = Image.fromarray(by_pillow(data)).reduce(3)
    np.testing.assert_array_equal(reduced.pixels, np.asarray(whole))


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_a_reduced_image_never_falls_below_twice_what_is_needed(form: str, orientation: int) -> None:
    data = samples.rotated(form, orientation, samples.mosaic(1800, 700))
    needed = (100, 300)
    pixels = decode_image(data, limits=LIMITS, needed=needed).pixels
    assert pixels.shape[0] >= 2 * needed[0]
    assert pixels.shape[1] >= min(2 * needed[1], 1800 if orientation == 1 else 700)
    assert (pixels.shape[0] > pixels.shape[1]) == (orientation == 6)


def test_without_a_known_need_twice_1024_remains() -> None:
    data = samples.encoded(samples.mosaic(4200, 4100), "JPEG")
    assert decode_image(data, limits=LIMITS).pixels.shape == (2050, 2100, 3)


@pytest.mark.parametrize("name", samples.BOMBS)
def test_a_decompression_bomb_is_refused_before_a_pixel_is_allocated(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = samples.BOMBS[name]()
    monkeypatch.setattr(Image, "open", None)
    tracemalloc.start()
    started = time.perf_counter()
    try:
        assert fault_of(data) == ImageFault.TOO_LARGE
        assert tracemalloc.get_traced_memory()[1] < 2_000_000 + 2 * len(data)
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 1


def test_a_directory_that_claims_the_same_bytes_over_and_over_costs_nothing() -> None:
    tracemalloc.start()
    try:
        assert fault_of(samples.tiff_tag_bomb()) == ImageFault.CORRUPT
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "make", [samples.png_text_bomb, samples.gif_comment_bomb, samples.jpeg_exif_bomb], ids=lambda f: f.__name__
)
def test_metadata_however_large_neither_costs_nor_spoils_the_picture(make) -> None:
    data = make()
    started = time.perf_counter()
    tracemalloc.start()
    try:
        assert decode_image(data, limits=LIMITS).pixels.shape == (43, 64, 3)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000 + 3 * len(data)
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 2


def test_an_image_at_the_limits_is_read_and_one_beyond_is_not() -> None:
    data = samples.encoded(samples.small(), "PNG")
    pixels = 64 * 43
    decode_image(data, limits=DecodeLimits(max_bytes=len(data), max_pixels=pixels))
    assert fault_of(data, DecodeLimits(max_bytes=len(data) - 1)) == ImageFault.TOO_LARGE
    assert fault_of(data, DecodeLimits(max_pixels=pixels - 1)) == ImageFault.TOO_LARGE


def test_by_default_an_image_may_have_8192_by_8192_pixels_and_32_mebibytes() -> None:
    assert DecodeLimits() == DecodeLimits(max_bytes=33_554_432, max_pixels=67_108_864)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_one_pixel_over_the_limit_is_refused_whatever_the_format(form: str) -> None:
    data = samples.encoded(samples.small(), form)
    assert decode_image(data, limits=DecodeLimits(max_pixels=64 * 43)).pixels.shape == (43, 64, 3)
    assert fault_of(data, DecodeLimits(max_pixels=64 * 43 - 1)) == ImageFault.TOO_LARGE


@pytest.mark.parametrize(("magic", "order"), [(b"II", "<"), (b"MM", ">")])
def test_a_tiff_without_a_size_is_corrupt(magic: bytes, order: str) -> None:
    compression = struct.pack(f"{order}HHIHxx", 0x0103, 3, 1, 1)
    directory = struct.pack(f"{order}H", 1) + compression + bytes(4)
    assert fault_of(magic + struct.pack(f"{order}HI", 42, 8) + directory) == ImageFault.CORRUPT


def test_a_header_that_claims_less_than_pillow_finds_is_no_way_round_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = samples.encoded(samples.small(), "PNG")
    really_read = containers.read_container
    monkeypatch.setattr(decoding, "read_container", lambda data: replace(really_read(data), width=1, height=1))
    assert fault_of(data, DecodeLimits(max_pixels=64 * 43 - 1)) == ImageFault.TOO_LARGE


@pytest.mark.parametrize("limits", [{"max_bytes": 0}, {"max_pixels": 0}, {"max_pixels": 1 << 30}])
def test_limits_that_cannot_be_kept_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="limits"):
        DecodeLimits(**limits)


def test_pillows_own_warnings_are_neither_printed_nor_fatal() -> None:
    data = samples.encoded(Image.new("1", (10_000, 9_500)), "PNG")
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        decode_image(data, limits=DecodeLimits(max_pixels=100_000_000), needed=NEEDED)
        decode_image(samples.valid_files()["palette_transparent.png"], limits=LIMITS)
    assert printed == []
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


@pytest.mark.parametrize(
    "name",
    ["photo.jpg", "progressive.jpg", "photo.png", "animated.gif", "photo.webp", "photo.bmp", "photo.tiff", "lzw.tiff"],
)
def test_a_file_cut_at_any_byte_is_refused_or_whole(name: str) -> None:
    data = samples.valid_files()[name]
    whole = decode_image(data, limits=LIMITS).pixels
    cut_faults = {
        ImageFault.TRUNCATED,
        ImageFault.CORRUPT,
        ImageFault.NOT_AN_IMAGE,
        ImageFault.EMPTY_FILE,
    }
    faults = []
    for length in [*range(200), *range(200, len(data), 1 + len(data) // 300), *range(len(data) - 30, len(data))]:
        try:
            np.testing.assert_array_equal(decode_image(data[:length], limits=LIMITS).pixels, whole)
        except ImageError as error:
            faults.append(error.fault)
    assert set(faults) <= cut_faults
    assert faults.count(ImageFault.TRUNCATED) >= 0.9 * len(faults)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", ImageFault.EMPTY_FILE),
        (b"hello, world", ImageFault.NOT_AN_IMAGE),
        (bytes(1000), ImageFault.NOT_AN_IMAGE),
        (b"\x89PNG\r\n\x1a\n", ImageFault.TRUNCATED),
        (b"\x89P", ImageFault.TRUNCATED),
        (b"%PDF-1.7", ImageFault.UNSUPPORTED_FORMAT),
        (b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00", ImageFault.UNSUPPORTED_FORMAT),
        (b"8BPS" + bytes(30), ImageFault.UNSUPPORTED_FORMAT),
        (b"BM" + bytes(100), ImageFault.CORRUPT),
    ],
)
def test_what_is_no_image_is_named_for_what_it_is(data: bytes, fault: ImageFault) -> None:
    assert fault_of(data) == fault


def test_scans_after_the_last_of_a_sequential_jpeg_are_not_decoded() -> None:
    data = samples.encoded(samples.small().convert("L"), "JPEG")
    scan = data[data.index(b"\xff\xda") : -2]
    assert fault_of(data[:-2] + 2 * scan + data[-2:]) == ImageFault.CORRUPT
