"""Models that take their time, whatever the machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from tests.model_files import save_onnx


def slow_classifier(path: Path, rounds: int) -> Path:
    """A classifier of 8x8 RGB images that goes through so many rounds of a loop first, whatever the batch."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["go_on"]), helper.make_node("Sin", ["carried"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("Loop", ["rounds", "yes", "colour"], ["tired"], body=body),
        helper.make_node("Softmax", ["tired"], ["scores"], axis=1),
    ]
    constants = {"rounds": np.array(rounds, np.int64), "yes": np.array(True)}
    card = json.dumps({"labels": ["red", "green", "blue"]})
    return save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 3], constants, card=card)
