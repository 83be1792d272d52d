"""The last resize of a decoded image to the size that one model takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.card import Fit
from models.images.decoding import Raster

Resize = Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]
"""Pixels at another height and width, bicubic and antialiased."""


class Part(NamedTuple):
    """A part of an image, as shares of its width and height; beyond 0..1 lies what was added to it."""

    left: float
    top: float
    right: float
    bottom: float


def part_seen(image: Raster, height: int, width: int, fit: Fit) -> Part:
    """The part of an image that a model sees in an input of `height` × `width`, for `fit_image` put it there."""
    rows, columns = image.proportions
    if fit == "crop":
        left, top, right, bottom = _central_box(rows, columns, height, width)
        return Part(left / columns, top / rows, right / columns, bottom / rows)
    if fit == "pad":
        inner = _padded(rows, columns, height, width)
        return Part(
            -inner.left / inner.width,
            -inner.top / inner.height,
            (width - inner.left) / inner.width,
            (height - inner.top) / inner.height,
        )
    return Part(0.0, 0.0, 1.0, 1.0)


def fit_image(raster: Raster, height: int, width: int, fit: Fit, channels: Literal[1, 3]) -> NDArray[np.uint8]:
    """An image at a model's input size: uint8 (0 to 255), shape (height, width, channels).

    The resize of an image that was not reduced is Pillow's default (bicubic, antialiased), so `stretch` equals
    `Image.open(path).convert("RGB").resize((width, height))`, and with one channel the same with `"L"`. The pixels
    of one that was reduced are not the file's own any more: for `stretch` and `pad` the same filter is then computed
    with vector instructions where `cykooz_resizer` is installed, which rounds a few steps of 255 otherwise at edges.

    Args:
        raster: the image.
        height: rows wanted, at least 1.
        width: columns wanted, at least 1.
        fit: `stretch` ignores the image's proportions; `crop` keeps them and cuts off what is too long,
            evenly on both sides; `pad` keeps them and adds black, evenly on both sides.
        channels: 3 for RGB, 1 for grey (ITU-R 601-2 luma, as Pillow's mode `L`).

    Raises:
        ValueError: for another `fit`, or pixels of another shape or dtype.
    """
    pixels = raster.pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"expected RGB uint8 pixels, got {pixels.dtype} of shape {pixels.shape}")
    if channels == 1:
        # Grey before the resize: that is the order of `Image.open(path).convert("L").resize(...)`.
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    resize = fast_resize() if raster.reduced else _exact_resize
    if fit == "stretch":
        return resize(pixels, height, width)
    if fit == "crop":
        left, top, right, bottom = _central_box(*raster.proportions, height, width)
        left, right = left / raster.squeezed, min(pixels.shape[1], right / raster.squeezed)
        return _exact_resize(pixels, height, width, (left, top, right, bottom))
    if fit == "pad":
        return _pad(pixels, _padded(*raster.proportions, height, width), height, width, resize)
    raise ValueError(f"unknown fit {fit!r}")


def _exact_resize(
    pixels: NDArray[np.uint8], height: int, width: int, box: tuple[float, float, float, float] | None = None
) -> NDArray[np.uint8]:
    channels = pixels.shape[2]
    image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    return np.asarray(image.resize((width, height), box=box)).reshape(height, width, channels)


@cache
def fast_resize() -> Resize:
    """A resize of whole images with vector instructions; Pillow's where that library has no build for this machine.

    Never of a part: `cykooz_resizer` 4.0.1 reads memory that is not its own for some fractional boxes.
    """
    try:
        from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
    except ImportError:
        return _exact_resize
    bicubic = ResizeOptions(ResizeAlg.convolution(FilterType.catmull_rom))
    kinds = {1: PixelType.U8, 3: PixelType.U8x3}

    def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
        kind = kinds[pixels.shape[2]]
        source = ImageData(pixels.shape[1], pixels.shape[0], kind, pixels.tobytes())
        target = ImageData(width, height, kind)
        Resizer().resize(source, target, bicubic)
        return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, pixels.shape[2])

    return resize


def _central_box(rows: float, columns: float, height: int, width: int) -> tuple[float, float, float, float]:
    """The largest centred box (left, top, right, bottom) of an image with the proportions height : width."""
    scale = min(columns / width, rows / height)
    left, top = (columns - width * scale) / 2, (rows - height * scale) / 2
    return max(0.0, left), max(0.0, top), min(columns, columns - left), min(rows, rows - top)


class _Inner(NamedTuple):
    """Where a padded image lies in a model's input, in pixels."""

    left: int
    top: int
    width: int
    height: int


def _padded(rows: float, columns: float, height: int, width: int) -> _Inner:
    scale = min(width / columns, height / rows)
    inner_width = min(width, max(1, round(columns * scale)))
    inner_height = min(height, max(1, round(rows * scale)))
    return _Inner(round((width - inner_width) / 2), round((height - inner_height) / 2), inner_width, inner_height)


def _pad(pixels: NDArray[np.uint8], inner: _Inner, height: int, width: int, resize: Resize) -> NDArray[np.uint8]:
    left, top, inner_width, inner_height = inner
    canvas = np.zeros((height, width, pixels.shape[2]), np.uint8)
    canvas[top : top + inner_height, left : left + inner_width] = resize(pixels, inner_height, inner_width)
    return canvas
