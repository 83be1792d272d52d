"""Between TensorFlow's `TensorProto` and NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.asking import Code, Refused
from serving.messages.pool import POOL

DTYPES: dict[str, int] = {value.name: value.number for value in POOL.FindEnumTypeByName("tensorflow.DataType").values}
"""Numbers of TensorFlow's types, by their names."""
STRING = DTYPES["DT_STRING"]
_NUMBERS = {
    "float32": ("DT_FLOAT", "float_val"),
    "float64": ("DT_DOUBLE", "double_val"),
    "float16": ("DT_HALF", "half_val"),
    "int8": ("DT_INT8", "int_val"),
    "int16": ("DT_INT16", "int_val"),
    "int32": ("DT_INT32", "int_val"),
    "int64": ("DT_INT64", "int64_val"),
    "uint8": ("DT_UINT8", "int_val"),
    "uint16": ("DT_UINT16", "int_val"),
    "uint32": ("DT_UINT32", "uint32_val"),
    "uint64": ("DT_UINT64", "uint64_val"),
    "bool": ("DT_BOOL", "bool_val"),
}
"""For each dtype of NumPy's, TensorFlow's name, and the field that holds its values one by one."""
_BY_NUMBER = {DTYPES[name]: (np.dtype(dtype), field) for dtype, (name, field) in _NUMBERS.items()}
_NAMES = {number: name for name, number in DTYPES.items()}
_ONE_BY_ONE = 1 << 16
"""Numbers that are told one by one, as TensorFlow Serving does; more go as bytes."""
_MOST_ONE_BY_ONE = 1 << 24
_MOST_REPEATED = 1 << 32
_MOST_SIDES = 32


def dtype_number(kind: str) -> int:
    """TensorFlow's number of a dtype by NumPy's name; of texts and bytes that of strings."""
    return DTYPES[_NUMBERS[kind][0]] if kind in _NUMBERS else STRING


def shape_of(proto: Any) -> tuple[int, ...]:
    """The shape that a `TensorProto` states.

    Raises:
        Refused: it states none, or one of no tensor that could be.
    """
    dimensions = proto.tensor_shape.dim
    if proto.tensor_shape.unknown_rank or any(dimension.size < 0 for dimension in dimensions):
        raise Refused(Code.INVALID_ARGUMENT, "a tensor's shape must be known")
    if len(dimensions) > _MOST_SIDES:
        raise Refused(Code.INVALID_ARGUMENT, f"a tensor of {len(dimensions)} sides; {_MOST_SIDES} at most")
    return tuple(dimension.size for dimension in dimensions)


def strings_of(proto: Any, name: str) -> Sequence[bytes]:
    """The strings of a `TensorProto`, which are a row each.

    Raises:
        Refused: it holds none, or not as many as its shape says.
    """
    shape = shape_of(proto)
    strings = list(proto.string_val)  # which makes new ones whenever it is asked
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        raise Refused(
            Code.INVALID_ARGUMENT, f"{name!r} has the shape {list(shape)}; [n] is expected, a string an image"
        )
    if len(strings) != (shape[0] if shape else 1):
        raise Refused(Code.INVALID_ARGUMENT, f"{name!r} has the shape {list(shape)} and holds {len(strings)} strings")
    return strings


def array_of(proto: Any, name: str) -> NDArray[Any]:
    """The numbers of a `TensorProto`, in its shape; a single one is all of them.

    Raises:
        Refused: it holds none, or not as many as its shape says.
    """
    if proto.dtype not in _BY_NUMBER:
        raise Refused(
            Code.INVALID_ARGUMENT, f"{name!r} is {_NAMES.get(proto.dtype, proto.dtype)}, which no model takes"
        )
    dtype, field = _BY_NUMBER[proto.dtype]
    shape = shape_of(proto)
    size = math.prod(shape)
    if not size:
        raise Refused(Code.INVALID_ARGUMENT, f"{name!r} has the shape {list(shape)}, which holds no numbers")
    values = getattr(proto, field)
    if proto.tensor_content:
        held = len(proto.tensor_content) / dtype.itemsize
        if held == size:
            return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    else:
        held = len(values)
        if held == size:
            return _from_values(values, dtype, name).reshape(shape)
        if held == 1 and size <= _MOST_REPEATED:  # as TensorFlow writes a tensor of equal numbers
            return np.broadcast_to(_from_values(values, dtype, name), shape)
    raise Refused(Code.INVALID_ARGUMENT, f"{name!r} has the shape {list(shape)} and holds {held:g} numbers")


def fill(proto: Any, values: NDArray[Any]) -> None:
    """Writes an array into a `TensorProto`; texts and bytes as strings."""
    for side in values.shape:
        proto.tensor_shape.dim.add(size=side)
    if values.dtype == object:
        proto.dtype = STRING
        proto.string_val.extend(each.encode() if isinstance(each, str) else each for each in values.reshape(-1))
        return
    name, field = _NUMBERS[values.dtype.name]
    proto.dtype = DTYPES[name]
    if values.size > _ONE_BY_ONE:
        proto.tensor_content = values.tobytes()
    else:
        getattr(proto, field).extend(values.reshape(-1).tolist())


def values_array(values: Any, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Numbers that a message holds one by one, as an array.

    Args:
        values: of the message's field, which are numbers of its kind.
        dtype: of the array.
        name: of the tensor, for the words of a refusal.

    Returns:
        Shape (len(values),).

    Raises:
        Refused: `INVALID_ARGUMENT`: some are none that the dtype has, or they are so many that they should be bytes.
    """
    if len(values) > _MOST_ONE_BY_ONE:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"{name!r} tells {len(values):,} numbers one by one, {_MOST_ONE_BY_ONE:,} at most: send them as bytes",
        )
    if dtype.kind not in "iu":
        return np.fromiter(values, dtype, len(values))
    array = np.fromiter(values, np.uint64 if dtype.itemsize == 8 and dtype.kind == "u" else np.int64, len(values))
    narrow = array.astype(dtype)
    if (narrow != array).any():
        raise Refused(Code.INVALID_ARGUMENT, f"{name!r} holds numbers that are none of {dtype.name}")
    return narrow


def _from_values(values: Any, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    if dtype == np.float16:  # its bits, in integers
        return values_array(values, np.dtype(np.uint16), name).view(np.float16)
    return values_array(values, dtype, name)
