"""Models of a few hundred bytes: ONNX ones, which are vetted in a tenth of a second, and Keras ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def tiny_onnx(path: Path, *, favours: int = 1, finite: bool = True) -> Path:
    """A classifier of 4×4 grey images into three classes, always the same one; other favours make other bytes."""
    weights, bias = np.zeros((16, 3), np.float32), np.zeros(3, np.float32)
    bias[favours] = 5 if finite else np.nan
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 4, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def tiny_keras(*paths: Path) -> None:
    """The same task, saved by Keras to each path; in another process, which costs four seconds once."""
    subprocess.run(
        [sys.executable, "-m", "launch.saved_by_keras", *map(str, paths)],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
        check=True,
        capture_output=True,
    )
