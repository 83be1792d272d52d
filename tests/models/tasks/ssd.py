"""SSD-VGG as TF-slim has it, decoded box by box: what the project's own decoding is held against.

Source: `ssd_anchor_one_layer` and `ssd_bboxes_decode` of balancap/SSD-Tensorflow (`nets/ssd_vgg_300.py`,
`nets/np_methods.py`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELLS = (38, 19, 10, 5, 3, 1)
ANCHORS = (4, 6, 6, 6, 4, 4)
SIZES = ((21, 45), (45, 99), (99, 153), (153, 207), (207, 261), (261, 315))
STEPS = (8, 16, 32, 64, 100, 300)
SIDE = 300
CLASSES = 21


class Planted(NamedTuple):
    """A box that a network is made to find.

    Attributes:
        feature_map: 0 to 5.
        row: of the cell.
        column: of the cell.
        anchor: of the cell.
        numbers: that the network tells for it: cx, cy, w, h.
        label: class index, 1 to 20.
    """

    feature_map: int
    row: int
    column: int
    anchor: int
    numbers: tuple[float, float, float, float]
    label: int


def corners(planted: Planted) -> tuple[float, float, float, float]:
    """The box as x_min, y_min, x_max, y_max, in shares of the input."""
    small, large = SIZES[planted.feature_map]
    shapes = [(small, small), (math.sqrt(small * large),) * 2]
    ratios = [2, 0.5, 3, 1 / 3][: ANCHORS[planted.feature_map] - 2]
    shapes += [(small * math.sqrt(ratio), small / math.sqrt(ratio)) for ratio in ratios]
    wide, high = (side / SIDE for side in shapes[planted.anchor])
    step = STEPS[planted.feature_map]
    dx, dy, dw, dh = planted.numbers
    cx = dx * 0.1 * wide + (planted.column + 0.5) * step / SIDE
    cy = dy * 0.1 * high + (planted.row + 0.5) * step / SIDE
    w, h = wide * math.exp(dw * 0.2), high * math.exp(dh * 0.2)
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def heads(planted: list[Planted], score: float = 12.0) -> dict[str, NDArray[np.float32]]:
    """What the network answers: logits of classes, and numbers of boxes, for each of its feature maps."""
    outputs: dict[str, NDArray[np.float32]] = {}
    for number, (cells, anchors) in enumerate(zip(CELLS, ANCHORS, strict=True)):
        logits = np.zeros((cells, cells, anchors, CLASSES), np.float32)
        logits[..., 0] = score
        boxes = np.zeros((cells, cells, anchors, 4), np.float32)
        for each in planted:
            if each.feature_map == number:
                logits[each.row, each.column, each.anchor, [0, each.label]] = 0, score
                boxes[each.row, each.column, each.anchor] = each.numbers
        outputs |= {f"logits_{number}": logits, f"location_{number}": boxes}
    return outputs


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
