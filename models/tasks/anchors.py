"""The default boxes of an SSD, and what its numbers make of them.

As TF-slim's SSD-VGG has them (`ssd_anchor_one_layer` and `ssd_bboxes_decode` of balancap/SSD-Tensorflow).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.detection_card import AnchorSpec

Cells = tuple[tuple[int, int], ...]
"""Height and width of each feature map, in cells."""


def cells_by_step(spec: AnchorSpec, height: int, width: int) -> Cells:
    """The feature maps that cover an input of `height` × `width` pixels."""
    return tuple((math.ceil(height / step), math.ceil(width / step)) for step in spec.steps)


def boxes_on(spec: AnchorSpec, cells: Cells) -> tuple[int, ...]:
    """How many default boxes each feature map has."""
    return tuple(rows * columns * spec.on_a_cell(number) for number, (rows, columns) in enumerate(cells))


@lru_cache(maxsize=8)
def anchors(spec: AnchorSpec, cells: Cells, height: int, width: int) -> NDArray[np.float64]:
    """The default boxes of all maps, in the order of the network's numbers.

    Args:
        spec: their sizes.
        cells: of each map.
        height: of the model's input, in pixels.
        width: likewise.

    Returns:
        Shape (n, 4): cx, cy, w, h as shares of the input. Not to be written to.
    """
    return np.concatenate([_of_map(spec, number, cells[number], height, width) for number in range(len(cells))])


def moved(
    default: NDArray[np.float64], numbers: NDArray[np.float64], scaling: tuple[float, ...]
) -> NDArray[np.float64]:
    """The boxes that a network means by its `numbers` for each default box, both of shape (n, 4): cx, cy, w, h."""
    scaled = numbers * scaling
    centres = default[:, :2] + scaled[:, :2] * default[:, 2:]
    # Beyond e^20 a box covers any image; what a hostile model says beyond that would be no number.
    sizes = default[:, 2:] * np.exp(np.minimum(scaled[:, 2:], 20.0))
    return np.concatenate([centres, sizes], axis=1)


def _of_map(spec: AnchorSpec, number: int, cells: tuple[int, int], height: int, width: int) -> NDArray[np.float64]:
    first, *second = spec.sizes[number]
    squares = [first, *(math.sqrt(first * each) for each in second)]
    shapes = [(side, side) for side in squares]
    shapes += [(first * math.sqrt(ratio), first / math.sqrt(ratio)) for ratio in spec.ratios[number]]
    rows, columns = cells
    step = spec.steps[number]
    boxes = np.empty((rows, columns, len(shapes), 4))
    boxes[..., 0] = ((np.arange(columns) + spec.offset) * step / width)[None, :, None]
    boxes[..., 1] = ((np.arange(rows) + spec.offset) * step / height)[:, None, None]
    boxes[..., 2:] = np.array(shapes) / (width, height)
    return boxes.reshape(-1, 4)
