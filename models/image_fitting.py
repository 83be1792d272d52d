"""The last resize of a decoded image to the size that one model takes."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Fit = Literal["stretch", "crop", "pad"]


def fit_image(
    pixels: NDArray[np.uint8], height: int, width: int, fit: Fit, channels: Literal[1, 3]
) -> NDArray[np.uint8]:
    """`pixels` at a model's input size: uint8 (0 to 255), shape (height, width, channels), C-contiguous.

    The resize is Pillow's default (bicubic, antialiased), so `stretch` of an image that was not reduced
    equals `Image.open(path).convert("RGB").resize((width, height))`, and with one channel the same with
    `"L"`.

    Args:
        pixels: RGB, uint8, shape (any height, any width, 3).
        height: rows wanted, at least 1.
        width: columns wanted, at least 1.
        fit: `stretch` ignores the image's proportions; `crop` keeps them and cuts off what is too long,
            evenly on both sides; `pad` keeps them and adds black, evenly on both sides.
        channels: 3 for RGB, 1 for grey (ITU-R 601-2 luma, as Pillow's mode `L`).

    Raises:
        ValueError: for another `fit`, or pixels of another shape or dtype.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"expected RGB uint8 pixels, got {pixels.dtype} of shape {pixels.shape}")
    image = Image.fromarray(pixels)
    if channels == 1:
        # Grey before the resize: that is the order of `Image.open(path).convert("L").resize(...)`.
        image = image.convert("L")
    fitted = np.asarray(_fit(image, height, width, fit))
    return np.array(fitted, np.uint8, order="C").reshape(height, width, channels)


def _fit(image: Image.Image, height: int, width: int, fit: Fit) -> Image.Image:
    if fit == "stretch":
        return image.resize((width, height))
    if fit == "crop":
        return image.resize((width, height), box=_central_box(image.size, height, width))
    if fit == "pad":
        return _pad(image, height, width)
    raise ValueError(f"unknown fit {fit!r}")


def _central_box(size: tuple[int, int], height: int, width: int) -> tuple[float, float, float, float]:
    """The largest centred box (left, top, right, bottom) of `size` with the proportions height : width."""
    scale = min(size[0] / width, size[1] / height)
    left, top = (size[0] - width * scale) / 2, (size[1] - height * scale) / 2
    return max(0.0, left), max(0.0, top), min(size[0], size[0] - left), min(size[1], size[1] - top)


def _pad(image: Image.Image, height: int, width: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    inner = (
        min(width, max(1, round(image.width * scale))),
        min(height, max(1, round(image.height * scale))),
    )
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner), (round((width - inner[0]) / 2), round((height - inner[1]) / 2)))
    return canvas
