"""How an image is fitted to the size that a model takes."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from models.images.decoding import DecodeLimits, Raster, decode_image
from models.images.fitting import fast_resize, fit_image
from tests import sample_images as samples


def rgb(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("name", ["photo.jpg", "cmyk.jpg", "palette.png", "alpha.png", "animated.gif"])
def test_stretching_an_image_that_was_not_reduced_equals_plain_pillow(name: str) -> None:
    data = samples.valid_files()[name]
    ours = fit_image(decode_image(data, limits=DecodeLimits()), 224, 160, "stretch", 3)
    plain = Image.open(io.BytesIO(data)).convert("RGB").resize((160, 224))
    np.testing.assert_array_equal(ours, np.asarray(plain))


@pytest.mark.parametrize("name", ["grey.jpg", "digit.png", "photo.png"])
def test_one_channel_equals_plain_pillow_in_grey(name: str) -> None:
    data = samples.valid_files()[name]
    ours = fit_image(decode_image(data, limits=DecodeLimits()), 28, 30, "stretch", 1)
    plain = Image.open(io.BytesIO(data)).convert("L").resize((30, 28))
    np.testing.assert_array_equal(ours[:, :, 0], np.asarray(plain))


@pytest.mark.parametrize("size", [(224, 224), (100, 300), (300, 100)])
def test_cropping_keeps_the_proportions_and_the_middle(size: tuple[int, int]) -> None:
    image = samples.photo()
    plain = ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC)
    difference = np.abs(fit_image(Raster(rgb(image)), *size, "crop", 3).astype(int) - np.asarray(plain))
    assert difference.max() <= 1


@pytest.mark.parametrize("size", [(224, 224), (100, 300), (300, 100)])
def test_padding_keeps_the_proportions_and_adds_black_evenly(size: tuple[int, int]) -> None:
    image = samples.photo()
    plain = ImageOps.pad(image, (size[1], size[0]), Image.Resampling.BICUBIC)
    ours = fit_image(Raster(rgb(image)), *size, "pad", 3)
    np.testing.assert_array_equal(ours, np.asarray(plain))


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30_000), (30_000, 1), (8, 8), (427, 640)])
@pytest.mark.parametrize("reduced", [False, True])
def test_every_shape_fits_every_way(fit, channels, shape: tuple[int, int], reduced: bool) -> None:
    fitted = fit_image(Raster(np.full((*shape, 3), 200, np.uint8), reduced), 32, 48, fit, channels)
    assert fitted.shape == (32, 48, channels)
    assert fitted.dtype == np.uint8
    assert fitted.max() == 200


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_resize_of_reduced_images_differs_by_rounding_alone(fit, channels) -> None:
    photo = rgb(samples.photo().resize((640, 480)))
    reduced, exact = (fit_image(Raster(photo, way), 224, 200, fit, channels).astype(int) for way in (True, False))
    assert np.abs(reduced - exact).max() <= 8
    assert np.abs(reduced - exact).mean() <= 0.3


def test_without_a_build_of_thefast_resize_pillow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cykooz_resizer", None)
    photo = rgb(samples.photo())
    fast_resize.cache_clear()
    try:
        reduced = fit_image(Raster(photo, reduced=True), 50, 60, "stretch", 3)
    finally:
        fast_resize.cache_clear()
    np.testing.assert_array_equal(reduced, fit_image(Raster(photo), 50, 60, "stretch", 3))


def test_an_unknown_fit_or_other_pixels_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="unknown fit"):
        fit_image(Raster(np.zeros((2, 2, 3), np.uint8)), 2, 2, "zoom", 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="RGB uint8"):
        fit_image(Raster(np.zeros((2, 2), np.uint8)), 2, 2, "crop", 3)
