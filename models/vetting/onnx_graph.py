"""Ways through the graph of an ONNX model (`onnx.GraphProto`)."""

from __future__ import annotations

from typing import Any


def makers(graph: Any) -> dict[str, Any]:
    """The operation (`onnx.NodeProto`) that makes each tensor, by the tensor's name."""
    return {name: node for node in graph.node for name in node.output}


def first_input(graph: Any) -> Any:
    """The first input (`onnx.ValueInfoProto`) that is no weight: older files list their weights among the inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    return next(each for each in graph.input if each.name not in weights)
