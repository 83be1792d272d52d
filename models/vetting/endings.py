"""The operation that makes each output of a model: what its numbers are, where its name tells that.

Runs in the vetting child.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from models.vetting.onnx_graph import makers

_PASSING = {
    *("Cast", "ConcatV2", "Concat", "DequantizeLinear", "ExpandDims", "Flatten", "Gather", "GatherV2", "Identity"),
    *("IdentityN", "Pack", "QuantizeLinear", "Reshape", "Resize", "ResizeBilinear", "ResizeNearestNeighbor", "Slice"),
    *("Squeeze", "StopGradient", "StridedSlice", "Transpose", "Unsqueeze", "Upsample"),
}
"""What moves numbers about, or mixes neighbours, and leaves them of their kind."""
_JOINING = {"ConcatV2", "Concat", "Pack", "IdentityN"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_FARTHEST = 64


class _Made(NamedTuple):
    """How a tensor is made: the kind of the operation, and the tensors that it takes."""

    kind: str
    of: Sequence[Any]


_Maker = Callable[[Any], _Made | None]
"""From a tensor to how it is made; None for one that is given."""


def endings_of_function(function: Any) -> tuple[str | None, ...]:
    """The last operation that computes, for each output of a concrete function of TensorFlow; None where none tells."""

    def made(tensor: Any) -> _Made | None:
        operation = tensor.op
        if operation.type in ("ConcatV2", "GatherV2", "StridedSlice", "Slice"):  # the others say where
            taken = operation.inputs[:-1] if operation.type == "ConcatV2" else operation.inputs[:1]
            return _Made(operation.type, list(taken))
        return _Made(operation.type, list(operation.inputs))

    return tuple(_ending(tensor, made) for tensor in function.outputs)


def endings_of_onnx(model: Any) -> tuple[str | None, ...]:
    """The same for each output of an ONNX model.

    Args:
        model: an `onnx.ModelProto`.
    """
    made_by = makers(model.graph)

    def made(name: str) -> _Made | None:
        node = made_by.get(name)
        return _Made(node.op_type, list(node.input)) if node is not None else None

    return tuple(_ending(output.name, made) for output in model.graph.output)


def _ending(tensor: Any, made: _Maker, farthest: int = _FARTHEST) -> str | None:
    for _ in range(farthest):
        step = made(tensor)
        if step is None or step.kind in _CALLS:
            return None
        if step.kind not in _PASSING:
            return step.kind
        if step.kind in _JOINING:
            endings = {_ending(each, made, farthest // 2) for each in step.of}
            return endings.pop() if len(endings) == 1 else None
        if not step.of:
            return None
        tensor = step.of[0]
    return None
