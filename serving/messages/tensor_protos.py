"""Between TensorFlow's `TensorProto` and NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.asking import Code, Refused
from serving.messages.packed import numbers_in, put
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
_FLOATS = ("float_val", "double_val")
_BY_NUMBER = {DTYPES[name]: (np.dtype(dtype), field) for dtype, (name, field) in _NUMBERS.items()}
_NAMES = {number: name for name, number in DTYPES.items()}
_ONE_BY_ONE = 1 << 16
"""Whole numbers that are told one by one, as TensorFlow Serving does; more go as bytes. Floats, whose field costs no
more than bytes do, are always told so: that is where clients look for them.
"""
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
    content = proto.tensor_content  # which is a new copy whenever it is asked for
    if content:
        held = len(content) / dtype.itemsize
        if held == size:
            return np.frombuffer(content, dtype).reshape(shape)
    else:
        held = len(getattr(proto, field))
        if held == size:
            return _from_values(proto, field, dtype, name).reshape(shape)
        if held == 1 and size <= _MOST_REPEATED:  # as TensorFlow writes a tensor of equal numbers
            return np.broadcast_to(_from_values(proto, field, dtype, name), shape)
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
    if values.size > _ONE_BY_ONE and field not in _FLOATS:
        proto.tensor_content = values.tobytes()
    else:
        put(proto, field, values.view(np.uint16) if values.dtype == np.float16 else values)


def _from_values(proto: Any, field: str, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    if dtype == np.float16:  # its bits, in integers
        return numbers_in(proto, field, np.dtype(np.uint16), name).view(np.float16)
    return numbers_in(proto, field, dtype, name)
