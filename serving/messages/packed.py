"""Numbers between NumPy and the repeated fields of messages; floats without a number of Python's for each.

On the wire packed floats are exactly the bytes of an array, little-endian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from numpy.typing import NDArray

from serving.asking import Code, Refused
from serving.flat_numbers import narrowed

_MOST = 1 << 24
"""Numbers that may become Python's, on their way into an array."""
_FLOATS: dict[int, np.dtype[Any]] = {
    FieldDescriptor.TYPE_FLOAT: np.dtype("<f4"),
    FieldDescriptor.TYPE_DOUBLE: np.dtype("<f8"),
}
_LENGTH_DELIMITED = 2


def put(message: Any, field: str, values: NDArray[Any]) -> None:
    """Adds an array's numbers to a repeated field, row after row.

    Args:
        message: any.
        field: the name of one of numbers.
        values: which the field has without rounding.
    """
    described = message.DESCRIPTOR.fields_by_name[field]
    floats = _FLOATS.get(described.type)
    if floats is None:
        getattr(message, field).extend(values.reshape(-1).tolist())
    elif values.size:
        raw = values.astype(floats, copy=False).tobytes()
        message.MergeFromString(_head(described, len(raw)) + raw)


def numbers_in(message: Any, field: str, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """The numbers of a repeated field, as an array.

    Args:
        message: of a client.
        field: the name of one of numbers.
        dtype: of the array; that of the field, or one of fewer bits.
        name: of the tensor, for the words of a refusal.

    Returns:
        Shape (n,).

    Raises:
        Refused: `INVALID_ARGUMENT`: some are none that the dtype has, or they are no floats and so many
            that they should be bytes.
    """
    values = getattr(message, field)
    count = len(values)
    described = message.DESCRIPTOR.fields_by_name[field]
    if count and described.type in _FLOATS:
        return _floats(message, described, count).astype(dtype, copy=False)
    if count > _MOST:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"{name!r} tells {count:,} numbers one by one, {_MOST:,} at most: send them as bytes",
        )
    if dtype.kind not in "iu":
        return np.fromiter(values, dtype, count)
    wide = np.uint64 if dtype.itemsize == 8 and dtype.kind == "u" else np.int64
    return narrowed(np.fromiter(values, wide, count), dtype, name)


def _floats(message: Any, described: Any, count: int) -> NDArray[Any]:
    alone = type(message)()
    alone.CopyFrom(message)
    for other, _ in alone.ListFields():
        if other.number != described.number:
            alone.ClearField(other.name)
    alone.DiscardUnknownFields()
    raw = alone.SerializeToString()
    dtype = _FLOATS[described.type]
    return np.frombuffer(raw, dtype, count, len(_head(described, count * dtype.itemsize)))


def _head(described: Any, size: int) -> bytes:
    """What stands before the bytes of a packed field."""
    return _varint(described.number << 3 | _LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
