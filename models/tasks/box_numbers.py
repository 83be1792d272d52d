"""In which order and units a model writes its boxes, told by the names of its outputs and by their numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.detection_card import BoxOrder, BoxUnits
from models.tasks.probed import ProbedOutput

_SHARES = 2.0
"""Shares of an image are hardly greater, and boxes in pixels that are not hardly any boxes."""


def order_and_units(output: ProbedOutput, boxes: NDArray[np.float64], in_rows: bool) -> tuple[BoxOrder, BoxUnits, bool]:
    """How boxes are written, and whether that is more than a guess.

    Args:
        output: that tells them.
        boxes: shape (n, 4), what it told for the probe images.
        in_rows: whether rows go on with scores, as those of YOLO.
    """
    name = output.name.lower()
    # Boxes of nothing, by which models fill up to a fixed number, tell nothing.
    boxes = boxes[np.ptp(boxes, axis=1) > 0]
    units: BoxUnits = "pixels" if boxes.size and np.abs(boxes).max() > _SHARES else "shares"
    if name.startswith("detection_box") or "nmsed" in name or output.ending == "CombinedNonMaxSuppression":
        return "yxyx", units, True
    if name.startswith("pred_box"):
        return "cxcywh", units, True
    if not boxes.size:
        return ("cxcywh" if in_rows else "xyxy"), ("pixels" if in_rows else "shares"), False
    corners = bool(np.all(boxes[:, :2] <= boxes[:, 2:]))
    if in_rows or not corners:
        return "cxcywh", units, not corners
    return "xyxy", units, False
