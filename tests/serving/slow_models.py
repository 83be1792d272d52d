"""Models that take their time, whatever the machine."""

from __future__ import annotations

import json
from pathlib import Path

from onnx import helper

from tests.model_files import loop_of_sines, save_onnx


def slow_classifier(path: Path, rounds: int) -> Path:
    """A classifier of 8x8 RGB images that goes through so many rounds of a loop first, whatever the batch."""
    loop, constants = loop_of_sines("colour", "tired", rounds)
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["colour"], axes=[1, 2], keepdims=0),
        loop,
        helper.make_node("Softmax", ["tired"], ["scores"], axis=1),
    ]
    card = json.dumps({"labels": ["red", "green", "blue"]})
    return save_onnx(path, nodes, ["n", 8, 8, 3], ["n", 3], constants, card=card)
