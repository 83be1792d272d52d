"""The operation that makes an output is found behind those that only move its numbers about."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.vetting.endings import endings_of_onnx


def model(nodes: list[onnx.NodeProto], *outputs: str) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.ones(4, np.float32), "w")],
    )
    return helper.make_model(graph)


def node(kind: str, *names: str) -> onnx.NodeProto:
    return helper.make_node(kind, list(names[:-1]), [names[-1]])


@pytest.mark.parametrize(
    ("nodes", "ending"),
    [
        ([node("Softmax", "x", "y")], "Softmax"),
        ([node("Sigmoid", "x", "a"), node("Reshape", "a", "w", "b"), node("Cast", "b", "y")], "Sigmoid"),
        ([node("Gemm", "x", "w", "y")], "Gemm"),
        ([node("Softmax", "x", "a"), node("Mul", "a", "w", "y")], "Mul"),
        ([node("Sigmoid", "x", "a"), node("Sigmoid", "x", "b"), node("Concat", "a", "b", "y")], "Sigmoid"),
        ([node("Sigmoid", "x", "a"), node("Exp", "x", "b"), node("Concat", "a", "b", "y")], None),
        ([node("Softmax", "x", "a"), node("QuantizeLinear", "a", "w", "b"), node("Identity", "b", "y")], "Softmax"),
        ([node("Identity", "x", "y")], None),
        ([node("Identity", "y", "y")], None),
    ],
)
def test_the_operation_that_computes_last_is_the_ending(nodes: list[onnx.NodeProto], ending: str | None) -> None:
    assert endings_of_onnx(model(nodes, "y")) == (ending,)


def test_each_output_has_its_own() -> None:
    nodes = [node("Softmax", "x", "a"), node("Sigmoid", "x", "b")]
    assert endings_of_onnx(model(nodes, "b", "a", "x")) == ("Sigmoid", "Softmax", None)


def test_a_graph_of_endless_joins_is_given_up() -> None:
    nodes = [node("Concat", f"t{i}", f"t{i}", f"t{i + 1}") for i in range(200)]
    assert endings_of_onnx(model(nodes, "t200")) == (None,)
