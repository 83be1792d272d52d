"""Whether a model scales its pixels itself: told by the arithmetic that its graph begins with.

Runs in the vetting child. What the first operations make of a black and of a white image tells more than their names:
`Rescaling`, `Normalization`, a `preprocess_input` written as operations and an exporter's `Cast` and `Div` are alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.vetting.onnx_graph import first_input, makers

_ARITHMETIC = {"Add", "AddV2", "BiasAdd", "Div", "DivNoNan", "Mul", "RealDiv", "Sub"}
_PASSING = {
    *("Cast", "ExpandDims", "Gather", "GatherV2", "Identity", "Reshape", "Resize", "ResizeBilinear", "StopGradient"),
    *("ResizeNearestNeighbor", "ReverseV2", "Squeeze", "Transpose", "Unsqueeze"),
}
_PARTS = {"Slice", "StridedSlice"}
_TOGETHER = {"Concat", "ConcatV2", "Pack"}
_SIDE = 8
"""Pixels, where the model takes any."""
_SCALED_SPAN = 32.0
"""From black to white, at most, of pixels 0..255 that were scaled down; of those that were not it is 255."""
_MOVED = 16.0
"""What is subtracted from pixels 0..255 at least, where they are moved and not scaled."""


class Beginning(NamedTuple):
    """What the arithmetic that a model begins with makes of an image of zeros and of one of 255s.

    Attributes:
        black: of any shape.
        white: of the same shape.
    """

    black: NDArray[Any]
    white: NDArray[Any]

    @property
    def takes_pixels(self) -> bool:
        """Whether it is meant for pixels 0..255: it scales such down, or moves them by a good part of their range."""
        span = float(np.abs(self.white - self.black).max())
        moved = float(np.abs(self.black).max())
        return span <= _SCALED_SPAN or (200 <= span <= 300 and moved >= _MOVED)

    def __str__(self) -> str:
        return f"black becomes {_range(self.black)}, white {_range(self.white)}"


class _Step(NamedTuple):
    """An operation of a graph: its kind, its own name and that of its first output."""

    kind: str
    name: str
    output: str


_Consumers = Callable[[str], list[_Step]]
"""From a tensor's name to the operations that take it."""


def beginning_of_function(function: Any) -> Beginning | None:
    """What a concrete function of TensorFlow, of one batch of images, begins with; None where that is no arithmetic."""
    import tensorflow as tf

    graph = function.graph
    image = graph.inputs[0]

    def consumers(name: str) -> list[_Step]:
        taking = graph.get_tensor_by_name(name).consumers()
        return [_Step(each.type, each.name, each.outputs[0].name) for each in taking if each.outputs]

    end = _end_of_arithmetic(image.name, consumers)
    if end is None:
        return None
    with _telling_nothing_else(), tf.compat.v1.Session(graph=graph) as session:
        captured = zip(graph.internal_captures, graph.external_captures, strict=True)
        feeds = {inner.name: outer.numpy() for inner, outer in captured if inner.dtype != tf.resource}
        dtype = image.dtype.as_numpy_dtype
        return _as_beginning(lambda pixels: session.run(end, {**feeds, image.name: pixels}), image.shape, dtype)
    return None


def beginning_of_onnx(model: Any, open_session: Callable[[bytes], Any]) -> Beginning | None:
    """What an ONNX model of one batch of images begins with; None where that is no arithmetic.

    Args:
        model: an `onnx.ModelProto`.
        open_session: makes a session of a model's bytes.
    """
    import onnx

    taking: dict[str, list[_Step]] = {}
    for number, node in enumerate(model.graph.node):
        for name in set(node.input):
            taking.setdefault(name, []).append(_Step(node.op_type, str(number), node.output[0]))
    image = first_input(model.graph)
    end = _end_of_arithmetic(image.name, lambda name: taking.get(name, []))
    if end is None:
        return None
    kind = image.type.tensor_type
    shape = [each.dim_value or None for each in kind.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    with _telling_nothing_else():
        session = open_session(_part(model, image, end).SerializeToString())
        return _as_beginning(lambda pixels: session.run(None, {image.name: pixels})[0], shape, dtype)
    return None


def _telling_nothing_else() -> contextlib.suppress:
    """Whatever a framework cannot do with a part of a model, that part then tells nothing."""
    return contextlib.suppress(Exception)


def _part(model: Any, image: Any, end: str) -> Any:
    """The operations that a tensor is made by, as a model that answers with it."""
    from onnx import helper

    made_by = makers(model.graph)
    waiting, names = [end], set()
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting.extend(made_by[name].input if name in made_by else ())
    nodes = [node for node in model.graph.node if names & set(node.output)]
    weights = [tensor for tensor in model.graph.initializer if tensor.name in names]
    graph = helper.make_graph(nodes, "part", [image], [helper.make_empty_tensor_value_info(end)], weights)
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _end_of_arithmetic(image: str, consumers: _Consumers) -> str | None:
    """The last tensor that is made of the image by arithmetic with constants; None where there is no arithmetic."""
    end, arithmetic = image, False
    while (step := _following(end, consumers)) is not None:
        end, arithmetic = step.output, arithmetic or step.kind in _ARITHMETIC
    return end if arithmetic else None


def _following(tensor: str, consumers: _Consumers) -> _Step | None:
    """The one operation that goes on with a tensor, if all that it does is arithmetic with constants.

    Where a tensor has one consumer, what else that consumer takes cannot depend on the image. Slices that are joined
    again, as where channels change places, count as one.
    """
    steps = [step for step in consumers(tensor) if step.kind != "Shape"]
    kinds = {step.kind for step in steps}
    if len(steps) == 1 and kinds <= _ARITHMETIC | _PASSING | _PARTS:
        return steps[0]
    joining = {joined for step in steps for joined in consumers(step.output)} if steps and kinds <= _PARTS else set()
    if len(joining) == 1 and {step.kind for step in joining} <= _TOGETHER:
        return joining.pop()
    return None


def _as_beginning(answer: Callable[[NDArray[Any]], Any], shape: Iterable[int | None], dtype: Any) -> Beginning:
    """What it answers to one image, or as many as it takes, of zeros and of 255s."""
    batch, *sides = shape
    whole = (batch or 1, *(side or _SIDE for side in sides))
    black, white = (np.asarray(answer(np.full(whole, value, dtype)), np.float64) for value in (0, 255))
    return Beginning(black, white)


def _range(values: NDArray[Any]) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.3g}" if np.isclose(low, high) else f"{low:.3g} to {high:.3g}"
