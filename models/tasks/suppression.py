"""Of boxes that overlap, the best: ONNX's own operator, run by ONNX Runtime."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.tasks.boxes import Boxes

_OPSET, _IR_VERSION = 11, 8
"""Of the operator's definition; every ONNX Runtime that this project takes reads them."""


def best_of_overlapping(
    boxes: Boxes, scores: NDArray[np.float64], iou_threshold: float, threshold: float, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which boxes remain, by class.

    Args:
        boxes: shape (n, 4).
        scores: shape (classes, n).
        iou_threshold: of two boxes of a class whose intersection over union is greater, the better one remains.
        threshold: the score from which on a box counts.
        most: boxes of a class.

    Returns:
        Class and box of each that remains, in no particular order.
    """
    if not boxes.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # The operator takes what is greater than the threshold, in float32.
    least = np.nextafter(np.float32(threshold), np.float32(-1))
    selected = _operator().run(
        None,
        {
            "boxes": boxes.astype(np.float32)[None],
            "scores": scores.astype(np.float32)[None],
            "most": np.array([most], np.int64),
            "iou": np.array([iou_threshold], np.float32),
            "least": np.array([least], np.float32),
        },
    )[0]
    return selected[:, 1], selected[:, 2]


@cache
def _operator() -> Any:
    """A session of the one operator, which threads may run side by side."""
    import onnxruntime
    from onnx import TensorProto, helper

    kinds = {
        "boxes": (TensorProto.FLOAT, [1, "n", 4]),
        "scores": (TensorProto.FLOAT, [1, "classes", "n"]),
        "most": (TensorProto.INT64, [1]),
        "iou": (TensorProto.FLOAT, [1]),
        "least": (TensorProto.FLOAT, [1]),
    }
    node = helper.make_node("NonMaxSuppression", list(kinds), ["selected"])
    inputs = [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    selected = helper.make_tensor_value_info("selected", TensorProto.INT64, ["m", 3])
    graph = helper.make_graph([node], "suppression", inputs, [selected])
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
