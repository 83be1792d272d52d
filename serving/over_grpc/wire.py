"""What a message is made of, looked at before it is read: millions of empty parts become gigabytes of objects."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from serving.asking import Code, Refused

FIELDS_BESIDE_IMAGES = 1024
"""Of a message with all that is nested in it: names, shapes, filters; packed numbers are one field. A string in a list,
as each image is, is one more.
"""
_DEEPEST = 16
_MOST_VARINT = 10
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


def read(request: Any, data: bytes, most: int = FIELDS_BESIDE_IMAGES) -> Any:
    """A message from its bytes.

    Args:
        request: the class of the message.
        data: as they came.
        most: fields that it may have.

    Raises:
        Refused: `INVALID_ARGUMENT`: they are none, or hold more fields.
    """
    view = memoryview(data)
    try:
        fields = _fields(view, 0, len(view), request.DESCRIPTOR, most, _DEEPEST)
        if fields >= 0:
            return request.FromString(data)
    except (ValueError, DecodeError) as error:
        raise Refused(Code.INVALID_ARGUMENT, f"the request is no {request.DESCRIPTOR.full_name}") from error
    raise Refused(Code.INVALID_ARGUMENT, f"a {request.DESCRIPTOR.full_name} of more than {most:,} fields; send several")


@cache
def _messages(described: Any) -> dict[int, Any]:
    """Which fields of a message are messages themselves, by their numbers: what each is made of."""
    return {
        field.number: field.message_type for field in described.fields if field.type == FieldDescriptor.TYPE_MESSAGE
    }


def _fields(data: memoryview, at: int, end: int, described: Any, left: int, depth: int) -> int:
    """How many of `left` fields remain once those from `at` to `end` are taken off; -1 where they are too many.

    Raises:
        ValueError: they are no fields.
    """
    if not depth:
        raise ValueError("nested too deeply")
    messages = _messages(described)
    while at < end and left >= 0:
        left -= 1
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _LENGTH:
            length, at = _varint(data, at, end)
            if number in messages and at + length <= end:
                left = _fields(data, at, at + length, messages[number], left, depth - 1)
            at += length
        else:
            raise ValueError("a group")
    if at > end and left >= 0:
        raise ValueError("cut off")
    return left


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for index in range(_MOST_VARINT):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at
    raise ValueError("no number")
