"""The Open Inference Protocol where gRPC and HTTP have it alike: names, and types, shapes and bytes of tensors."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from serving.asking import IMAGES, Code, Refused
from serving.flat_numbers import array_of
from serving.outputs import described

SERVER = "hotswap"
"""What the server calls itself."""
BYTES = "BYTES"
"""The datatype of strings: of encoded images, of labels."""
_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
_DTYPES = {datatype: np.dtype(name).newbyteorder("<") for name, datatype in _DATATYPES.items()}
_LENGTH = struct.Struct("<I")
_MOST_SIDES = 32
_MOST_STRINGS = 1 << 16
_LONGEST_VERSION = 20


class Described(NamedTuple):
    """What a model's metadata say of an input or an output.

    Attributes:
        name: of it.
        datatype: of the protocol's.
        shape: with the batch; -1 where that is not known before.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]


def platform_of(manifest: Manifest) -> str:
    """What a model runs on."""
    return f"{SERVER}_{manifest.engine}"


def inputs_of(manifest: Manifest) -> list[Described]:
    """The inputs of which a request gives one: encoded images, and the model's own."""
    own = Described(manifest.input_name, datatype_of(manifest.input_dtype), (-1, *manifest.input_shape))
    return [Described(IMAGES, BYTES, (-1,)), own]


def outputs_of(manifest: Manifest) -> list[Described]:
    """The outputs that a response has, in order."""
    return [Described(field.name, datatype_of(field.kind), (-1, *field.shape)) for field in described(manifest)]


def datatype_of(kind: str) -> str:
    """The protocol's name of a dtype by NumPy's name; of texts, bytes and objects `BYTES`."""
    return _DATATYPES.get(kind, BYTES)


def dtype_of(datatype: str, name: str) -> np.dtype[Any]:
    """NumPy's dtype of the numbers of a tensor, little-endian.

    Args:
        datatype: as the client says it.
        name: of the tensor, for the words of a refusal.

    Raises:
        Refused: `INVALID_ARGUMENT`: there is no such type of numbers.
    """
    if datatype not in _DTYPES:
        raise Refused(
            Code.INVALID_ARGUMENT, f"{name[:60]!r} is {datatype[:20]!r}; there is {', '.join(_DTYPES)}, and {BYTES}"
        )
    return _DTYPES[datatype]


def shape_of(sides: Sequence[Any], name: str) -> tuple[int, ...]:
    """The shape that a client states, of something at least.

    Raises:
        Refused: `INVALID_ARGUMENT`: it is none of a batch with rows.
    """
    if not sides or len(sides) > _MOST_SIDES or any(type(side) is not int or side < 1 for side in sides):
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"the shape of {name[:60]!r} must be whole numbers above 0, [n, ...], {_MOST_SIDES} at most",
        )
    return tuple(sides)


def numbers_of_bytes(raw: bytes, datatype: str, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """The numbers of a tensor from its raw bytes, little-endian and row after row; not copied.

    Args:
        raw: all of them, and nothing else.
        datatype: as the client says it.
        shape: as `shape_of` gives it.
        name: of the tensor.

    Raises:
        Refused: `INVALID_ARGUMENT`: no such type, or not as many bytes as the shape says.
    """
    dtype = dtype_of(datatype, name)
    size = math.prod(shape)
    if len(raw) != size * dtype.itemsize:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"{name[:60]!r} is {datatype} of the shape {list(shape)} and has {len(raw)} bytes"[:200],
        )
    return np.frombuffer(raw, dtype).reshape(shape)


def numbers_of_values(values: Sequence[Any], datatype: str, shape: tuple[int, ...], name: str) -> NDArray[Any]:
    """The numbers of a tensor that were given one by one, row after row.

    Args:
        values: of it.
        datatype: as the client says it.
        shape: as `shape_of` gives it.
        name: of the tensor.

    Raises:
        Refused: `INVALID_ARGUMENT`: no such type, not as many values as the shape says, or others than the type has.
    """
    dtype = dtype_of(datatype, name)
    require_count(len(values), shape, name)
    return array_of(values, dtype, name[:60]).reshape(shape)


def strings_of_bytes(raw: bytes, shape: tuple[int, ...], name: str) -> list[bytes]:
    """The strings of a `BYTES` tensor: before each its length, 4 bytes, little-endian.

    Args:
        raw: all of them, and nothing else.
        shape: as `shape_of` gives it; [n] or [n, 1].
        name: of the tensor.

    Raises:
        Refused: `INVALID_ARGUMENT`: another shape, or lengths that do not come out even.
    """
    count = _count_of_strings(shape, name)
    strings: list[bytes] = []
    at = 0
    while at + _LENGTH.size <= len(raw) and len(strings) < count:
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        strings.append(raw[at : at + length])
        at += length
    if at != len(raw) or len(strings) != count:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"{name[:60]!r} has the shape {list(shape)}, and its {len(raw)} bytes are not {count} strings with a "
            "length of 4 bytes before each",
        )
    return strings


def require_strings(count: int, shape: tuple[int, ...], name: str) -> None:
    """Refuses strings that were given one by one, and are not as many as their shape, [n] or [n, 1], says.

    Raises:
        Refused: `INVALID_ARGUMENT`.
    """
    _count_of_strings(shape, name)
    require_count(count, shape, name)


def require_count(count: int, shape: tuple[int, ...], name: str) -> None:
    """Refuses values that were given one by one, and are not as many as their shape says.

    Raises:
        Refused: `INVALID_ARGUMENT`.
    """
    if count != math.prod(shape):
        raise Refused(
            Code.INVALID_ARGUMENT, f"{name[:60]!r} has the shape {list(shape)} and holds {count} values"[:200]
        )


def raw_bytes(values: NDArray[Any]) -> bytes:
    """An output as raw bytes: numbers little-endian, strings with their length before each."""
    if values.dtype != object:
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    strings = strings_in(values)
    return b"".join(part for each in strings for part in (_LENGTH.pack(len(each)), each))


def strings_in(values: NDArray[Any]) -> list[bytes]:
    """The elements of an output of texts or bytes, row after row; texts in UTF-8."""
    return [each.encode() if isinstance(each, str) else each for each in values.reshape(-1)]


def _count_of_strings(shape: tuple[int, ...], name: str) -> int:
    if len(shape) > 2 or shape[1:] not in ((), (1,)) or shape[0] > _MOST_STRINGS:
        raise Refused(
            Code.INVALID_ARGUMENT,
            f"{name[:60]!r} has the shape {list(shape)}; [n] is expected, a string an image, {_MOST_STRINGS} at most"[
                :200
            ],
        )
    return shape[0]


def version_in(text: str) -> int | None:
    """The version that a client asks for; None where it says none.

    Raises:
        Refused: `NOT_FOUND`: no version is called so.
    """
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_VERSION:
        return int(text)
    raise Refused(Code.NOT_FOUND, f"there is no version {text[:40]!r}: versions are numbers")
