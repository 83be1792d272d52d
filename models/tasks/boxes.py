"""Boxes in the many ways that models write them, as shares of the original image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import InputSpec
from models.detection_card import BoxOrder, BoxUnits
from models.images.decoding import Raster
from models.images.fitting import part_seen

Boxes = NDArray[np.float64]
"""Shape (n, 4): x_min, y_min, x_max, y_max."""

_CORNERS = {"xyxy": (0, 1, 2, 3), "yxyx": (1, 0, 3, 2)}
_CENTRES = {"cxcywh": (0, 1, 2, 3), "cycxhw": (1, 0, 3, 2)}


def as_corners(boxes: NDArray[np.float64], order: BoxOrder) -> Boxes:
    """Boxes of four numbers, shape (n, 4), as corners in the same units."""
    if order in _CORNERS:
        return boxes[:, _CORNERS[order]]
    if order == "xywh":
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    centred = centre_first(boxes, order)
    centre, half = centred[:, :2], centred[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def centre_first(boxes: NDArray[np.float64], order: BoxOrder) -> NDArray[np.float64]:
    """Boxes that are told by centre and size, as cx, cy, w, h."""
    return boxes[:, _CENTRES[order]]


def as_shares(boxes: Boxes, units: BoxUnits, spec: InputSpec) -> Boxes:
    """Boxes as shares of the model's input."""
    return boxes / (spec.width, spec.height, spec.width, spec.height) if units == "pixels" else boxes


def on_the_image(boxes: Boxes, spec: InputSpec, image: Raster) -> Boxes:
    """Boxes in shares of the model's input, as shares of the image that became it; what lies outside is cut off."""
    part = part_seen(image, spec.height, spec.width, spec.fit)
    origin = np.array([part.left, part.top] * 2)
    extent = np.array([part.right - part.left, part.bottom - part.top] * 2)
    return np.clip(origin + boxes * extent, 0.0, 1.0)
