"""A function of TensorFlow as a file of ONNX. Runs in the vetting child.

tf2onnx holds a model's weights many times over while it rewrites its graph: 5 GiB for ResNet50, and VGG16 found no end.
So large weights are inputs of the graph while it is rewritten, and become constants afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

_OPSET = 18
_LARGE_BYTES = 16 << 10
"""Of a weight; what is computed of smaller ones alone is computed once, while the graph is rewritten."""


def write_onnx(function: Any, outputs: Sequence[str], path: Path) -> None:
    """Writes a `tf.function` of one input, whose signature it has.

    Args:
        function: answers with a list of tensors.
        outputs: their names in the file, in the same order.
        path: of the file.

    Raises:
        Exception: whatever the converter raises when the function cannot be written so.
    """
    import tf2onnx

    graph = function.get_concrete_function().graph
    weights: dict[str, NDArray[Any]] = {}
    if graph.as_graph_def().library.function:  # of a loop, in which tf2onnx wants to see its weights
        model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=_OPSET)
    else:
        graph_def, weights = _without_large_weights(graph)
        model, _ = tf2onnx.convert.from_graph_def(
            graph_def,
            input_names=[graph.inputs[0].name, *weights],
            output_names=[output.name for output in graph.outputs],
            opset=_OPSET,
        )
    _put_back(model, weights)
    _name(model, outputs)
    path.write_bytes(model.SerializeToString())


def _without_large_weights(graph: Any) -> tuple[Any, dict[str, NDArray[Any]]]:
    """The definition of a function's graph with its small weights in it, and its large ones by their tensors' names."""
    import tensorflow as tf

    graph_def = graph.as_graph_def()
    nodes = {node.name: node for node in graph_def.node}
    weights: dict[str, NDArray[Any]] = {}
    for held, placeholder in graph.captures:
        node, dtype = nodes[placeholder.op.name], placeholder.dtype
        if dtype == tf.resource:
            readers = [nodes[reader.name] for reader in placeholder.consumers()]
            dtype = tf.dtypes.as_dtype(readers[0].attr["dtype"].type)
            held = tf.raw_ops.ReadVariableOp(resource=held, dtype=dtype)
            for reader in readers:
                _become(reader, "Identity", T=tf.compat.v1.AttrValue(type=dtype.as_datatype_enum))
        value = held.numpy()
        _become(node, "Placeholder", dtype=tf.compat.v1.AttrValue(type=dtype.as_datatype_enum))
        if value.nbytes < _LARGE_BYTES:
            node.op = "Const"
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        else:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
            weights[placeholder.name] = value
    return graph_def, weights


def _become(node: Any, kind: str, **attributes: Any) -> None:
    """Makes another operation of a node, of the same name and inputs."""
    node.op = kind
    node.attr.clear()
    for name, value in attributes.items():
        node.attr[name].CopyFrom(value)


def _put_back(model: Any, weights: dict[str, NDArray[Any]]) -> None:
    """Makes constants of those inputs of an ONNX model that are weights; takes them out of `weights`."""
    from onnx import numpy_helper

    inputs = [each for each in model.graph.input if each.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for name in list(weights):
        model.graph.initializer.append(numpy_helper.from_array(weights.pop(name), name))


def _name(model: Any, outputs: Sequence[str]) -> None:
    """Gives the outputs of an ONNX model other names."""
    from onnx import helper

    for output, name in zip(model.graph.output, outputs, strict=True):
        if output.name != name:
            model.graph.node.append(helper.make_node("Identity", [output.name], [name]))
            output.name = name
