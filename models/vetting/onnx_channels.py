"""The channels of an ONNX model's input, told by the first convolution that it meets. Runs in the vetting child.

Exporters may name the channels as they name the batch, a number that is not known yet (`pixel_values` of
`(batch_size, num_channels, height, width)`). The kernels of a convolution know it, and on which axis it looks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from models.errors import ModelFault, ModelRejected
from models.vetting.candidate import Shape
from models.vetting.onnx_graph import first_input, makers

_AXES_STAY = {
    *("Add", "BatchNormalization", "Cast", "Clip", "DequantizeLinear", "Div", "Identity", "Mul", "Pad"),
    *("QuantizeLinear", "Resize", "Sub"),
}
"""Operations that leave each axis where it is."""
_KERNELS = {"Conv": 1, "ConvInteger": 1, "FusedConv": 1, "QLinearConv": 3}
"""Convolutions, all of which want their channels on axis 1; which of their inputs the kernels are."""
_Axes = tuple[int | None, ...]
"""For each axis of a tensor the model input's axis that it was; None for one that was added."""


def image_shape(declared: list[Any], model: Any) -> Shape:
    """The shape of one image, without the batch; None for a size that the model leaves open.

    Args:
        declared: of the batch, as ONNX Runtime tells it: numbers, and names or None for any.
        model: an `onnx.ModelProto` of one input.

    Raises:
        ModelRejected: `wrong_input`; it takes one image, not a batch.
    """
    sizes = [size if isinstance(size, int) else None for size in declared]
    found = _channels(model, len(sizes)) if len(sizes) in (3, 4) else None
    if found is not None and len(sizes) == 3 and found.axis == 0:
        raise ModelRejected(
            ModelFault.WRONG_INPUT, "takes one image, not a batch of images; export it with one more dimension in front"
        )
    if found is not None and len(sizes) == 4 and sizes[found.axis] is None:
        sizes[found.axis] = found.wanted
    return tuple(sizes[1:])


class _Channels(NamedTuple):
    """Where a convolution looks for the channels, and how many it wants.

    Attributes:
        axis: of the model's input.
        wanted: how many.
    """

    axis: int
    wanted: int


def _channels(model: Any, rank: int) -> _Channels | None:
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    made_by = makers(graph)
    axes: dict[str, _Axes] = {first_input(graph).name: tuple(range(rank))}
    for node in graph.node:  # each comes after those that it takes from, as ONNX demands
        known = next((axes[name] for name in node.input if name in axes), None)
        if known is None:
            continue
        if node.op_type in _KERNELS:
            kernels = _sizes(node.input[_KERNELS[node.op_type]], weights, made_by)
            axis = known[1] if len(known) > 1 else None
            return _Channels(axis, kernels[1] * _attribute(node, "group", 1)) if kernels and axis is not None else None
        moved = _moved(node, known, weights, made_by)
        if moved is not None:
            axes[node.output[0]] = moved
    return None


def _moved(node: Any, axes: _Axes, weights: dict[str, Any], made_by: dict[str, Any]) -> _Axes | None:
    """The axes of what an operation makes of a tensor with these; None where it does more than to move them."""
    if node.op_type in _AXES_STAY:
        return axes
    if node.op_type == "Transpose":
        return tuple(axes[each] for each in _attribute(node, "perm", list(range(len(axes)))[::-1]))
    if node.op_type == "Unsqueeze":
        added = _attribute(node, "axes", None) or list(_numbers(node.input[1], weights, made_by))
        if not added:
            return None
        rank = len(axes) + len(added)
        rest = iter(axes)
        return tuple(None if each in {at % rank for at in added} else next(rest) for each in range(rank))
    return None


def _sizes(name: str, weights: dict[str, Any], made_by: dict[str, Any]) -> list[int]:
    """Of a constant, which may lie behind operations that leave its axes where they are; empty where it is none."""
    tensor = _constant(name, weights, made_by)
    return list(tensor.dims) if tensor is not None else []


def _numbers(name: str, weights: dict[str, Any], made_by: dict[str, Any]) -> Iterator[int]:
    from onnx import numpy_helper

    tensor = _constant(name, weights, made_by)
    return map(int, numpy_helper.to_array(tensor).ravel()) if tensor is not None else iter(())


def _constant(name: str, weights: dict[str, Any], made_by: dict[str, Any]) -> Any:
    while name not in weights and name in made_by and made_by[name].op_type in _AXES_STAY:
        name = made_by[name].input[0]
    if name in made_by and made_by[name].op_type == "Constant":
        return _attribute(made_by[name], "value", None)
    return weights.get(name)


def _attribute(node: Any, name: str, default: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)
