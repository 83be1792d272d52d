"""Which class each pixel is of: a mask, and the share of each class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.card import Card, InputSpec
from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.images.fitting import part_seen
from models.tasks.prediction import Mask, Share
from models.tasks.scores import finite, probabilities

MOST_CLASSES = 256
"""Colours of a palette."""
_COMPRESSION = 6


def pixel_sides(shape: Sequence[int], spec: InputSpec) -> tuple[int, int, int | None] | None:
    """Height, width and the axis of the classes (None without one) of an output that tells something of each pixel.

    Args:
        shape: of the answer to one image, whose sides of 1 do not count.
        spec: the input, whose proportions height and width must bear.

    Returns:
        None for any other shape.
    """
    match tuple(side for side in shape if side != 1):
        case (height, width) if _alike(height, width, spec):
            return height, width, None
        case (first, second, third):
            last = (first, second, 2) if _alike(first, second, spec) and third <= MOST_CLASSES else None
            leading = (second, third, 0) if _alike(second, third, spec) and first <= MOST_CLASSES else None
            return (last or leading) if spec.layout == "NHWC" else (leading or last)
    return None


def segment(output: NDArray[Any], card: Card, image: Raster) -> Mask:
    """The mask of an image, as large as the model tells it; what was added to fit the image is cut off.

    Raises:
        ImageError: `non_finite_output`, or `prediction_failed` for a class index that no palette has.
    """
    classes = _without_borders(_classes(output, card), card.input, image)
    counts = np.bincount(classes.reshape(-1))
    shares = [(int(index), counts[index] / classes.size) for index in np.flatnonzero(counts)]
    shares.sort(key=lambda each: -each[1])
    height, width = classes.shape
    told = tuple(Share(card.label(index), index, float(share)) for index, share in shares)
    return Mask(height, width, _png(classes), told)


def _classes(output: NDArray[Any], card: Card) -> NDArray[np.uint8]:
    sides = pixel_sides(output.shape, card.input)
    assert sides is not None, "vetting has seen this shape"
    values = np.squeeze(finite(output))
    if sides[2] is not None:
        return values.argmax(axis=sides[2]).astype(np.uint8)
    if output.dtype.kind in "iu":
        if values.min() < 0 or values.max() >= MOST_CLASSES:
            raise ImageError(
                ImageFault.PREDICTION_FAILED, f"a mask with class indices {values.min()} to {values.max()}"
            )
        return values.astype(np.uint8)
    return (probabilities(values, card.activation) >= card.threshold).astype(np.uint8)


def _without_borders(classes: NDArray[np.uint8], spec: InputSpec, image: Raster) -> NDArray[np.uint8]:
    seen = part_seen(image, spec.height, spec.width, spec.fit)
    height, width = classes.shape
    rows = _within(height, seen.top, seen.bottom)
    columns = _within(width, seen.left, seen.right)
    return classes[rows, columns]


def _within(length: int, start: float, end: float) -> slice:
    """Which pixels of a side lie on the image, if the side goes from share `start` of the image to share `end`."""
    first = round(length * max(0.0, -start) / (end - start))
    last = round(length * (min(1.0, end) - start) / (end - start))
    first = min(first, length - 1)
    return slice(first, max(first + 1, last))


def _png(classes: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(classes)
    image.putpalette(palette())
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=_COMPRESSION)
    return file.getvalue()


@cache
def palette() -> bytes:
    """256 colours, RGB, neighbours far apart: those of the PASCAL VOC challenge, whose first is black."""
    colours = bytearray()
    for index in range(MOST_CLASSES):
        for channel in range(3):
            bits = (((index >> (3 * place + channel)) & 1) << (7 - place) for place in range(3))
            colours.append(sum(bits))
    return bytes(colours)


def _alike(height: int, width: int, spec: InputSpec) -> bool:
    """Whether sides have the proportions of the input, but for rounding to whole pixels."""
    return min(height, width) > 1 and abs(height * spec.width - width * spec.height) < max(spec.height, spec.width)
