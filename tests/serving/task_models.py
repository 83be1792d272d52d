"""Small real models of every task, which give the same numbers to every image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.reference import sha256_of
from tests.end_to_end.telling_models import SIDE

_HALVES = np.full((SIDE, SIDE, 2), [5.0, -5.0], np.float32)
_HALVES[: SIDE // 4] = [-5.0, 5.0]
TASKS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "classification": ({"labels": [f"class {n}" for n in range(7)], "activation": "softmax"}, {"y": np.arange(7.0)}),
    "binary": ({"labels": ["no", "yes"], "threshold": 0.9, "activation": "none"}, {"y": [0.75]}),
    "multilabel": ({"labels": ["cat", "dog", "grass"], "activation": "none"}, {"y": [0.625, 0.25, 0.75]}),
    "segmentation": ({"labels": ["sky", "sea"], "activation": "softmax"}, {"y": _HALVES}),
    "detection": (
        {"labels": ["cat", "dog"], "detection": {"boxes": "boxes", "scores": "scores", "classes": "classes"}},
        {"boxes": [[0.125, 0.25, 0.5, 0.75], [0, 0, 1, 1]], "scores": [0.75, 0.25], "classes": [1.0, 0.0]},
    ),
    "regression": ({}, {"y": [2.5]}),
    "raw": ({}, {"first": [[1, 2], [3, 4]], "second": [5.0]}),
}
"""For each task its card, beside `task`, and the outputs for an image."""


def drop_task(folder: Path, task: str) -> str:
    """Puts a model of a task into a folder, whole at once; answers the id that its results must bear."""
    card, outputs = TASKS[task]
    path = folder / f"{task}.onnx"
    hidden = folder / f".{task}.part"
    model = _model({name: np.asarray(values, np.float32) for name, values in outputs.items()})
    helper.set_model_props(model, {"model_card": json.dumps({"task": task} | card)})
    onnx.checker.check_model(model)
    hidden.write_bytes(model.SerializeToString())
    hidden.rename(path)
    return f"{path}@sha256:{sha256_of(path)[:12]}"


def _model(outputs: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    nodes = [helper.make_node("ReduceMean", ["image", "axes"], ["colour"], keepdims=0)]
    constants = [numpy_helper.from_array(np.array([1, 2], np.int64), "axes")]
    infos = []
    for name, values in outputs.items():
        nodes.append(helper.make_node("Gemm", ["colour", f"{name}_weights", f"{name}_bias"], [f"{name}_flat"]))
        nodes.append(helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]))
        constants.append(numpy_helper.from_array(np.zeros((3, values.size), np.float32), f"{name}_weights"))
        constants.append(numpy_helper.from_array(values.ravel(), f"{name}_bias"))
        constants.append(numpy_helper.from_array(np.array([-1, *values.shape], np.int64), f"{name}_shape"))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *values.shape]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])
    graph = helper.make_graph(nodes, "tasks", [image], infos, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
