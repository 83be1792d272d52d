"""Bodies in JSON: parsed within bounds, away from the event loop where that takes long, taken apart, and made."""

from __future__ import annotations

import asyncio
import binascii
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import orjson
import pybase64
from numpy.typing import NDArray

from models.errors import one_line
from serving.asking import Answer, Code, Refused

Made = TypeVar("Made")

_SMALL = 64 << 10
_MEDIUM = 1 << 20
_FEW_VALUES = 4096
"""In so many bytes the text of an image, which takes no time, is told from numbers, which do."""
_MOST_VALUES = 8 << 20
"""Each is some 30 bytes as Python's number, and up to 70 as an empty list."""
_MOST_SIDES = 32
_B64 = "b64"


async def made_of(body: bytes, make: Callable[[Any], Made], threads: Executor) -> Made:
    """What is made of a body's JSON.

    Args:
        body: of a request.
        make: from what it says; runs in a thread where the body is large.
        threads: that run it.

    Raises:
        Refused: `INVALID_ARGUMENT`: it is no JSON, or too many values; and whatever `make` raises.
    """
    if len(body) <= _SMALL or (len(body) <= _MEDIUM and _values(body) <= _FEW_VALUES):
        return make(_parsed(body))
    return await asyncio.get_running_loop().run_in_executor(threads, lambda: make(_parsed_large(body)))


async def made_from(answer: Answer, make: Callable[[], Made], threads: Executor) -> Made:
    """What is made of an answer.

    Args:
        answer: of a model.
        make: makes it; runs in a thread where the answer is large, as those with masks are.
        threads: that run it.
    """
    if sum(map(_size, answer.outputs.values())) <= _SMALL:
        return make()
    return await asyncio.get_running_loop().run_in_executor(threads, make)


def flattened(value: list[Any], name: str) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of a list of lists, and what is in them, row after row.

    Raises:
        Refused: `INVALID_ARGUMENT`: lists of one level differ in length, or are too deep.
    """
    shape = [len(value)]
    level = value
    while (kinds := set(map(type, level))) == {list} and len(shape) < _MOST_SIDES:
        lengths = set(map(len, level))
        if len(lengths) != 1:
            raise Refused(Code.INVALID_ARGUMENT, f"{name[:60]!r} has lists of different lengths side by side")
        shape += lengths
        level = list(chain.from_iterable(level))
    if list in kinds:
        raise Refused(Code.INVALID_ARGUMENT, f"{name[:60]!r} has lists where others have values")
    return tuple(shape), level


def is_bytes(value: Any) -> bool:
    """Whether it is `{"b64": …}`."""
    return isinstance(value, dict) and value.keys() == {_B64}


def bytes_in(text: Any, which: str) -> bytes:
    """The bytes of a text in base64.

    Args:
        text: a string, or `{"b64": …}` with one.
        which: it is, for the words of a refusal.

    Raises:
        Refused: `INVALID_ARGUMENT`: it is neither.
    """
    if is_bytes(text):
        text = text[_B64]
    if isinstance(text, str):
        try:
            return pybase64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):  # the latter for letters that are not of ASCII
            pass
    raise Refused(Code.INVALID_ARGUMENT, f"{which} is no base64, with its padding and on one line")


def require_fields(value: Any, known: frozenset[str], what: str) -> dict[str, Any]:
    """A JSON object that has only fields which are known.

    Raises:
        Refused: `INVALID_ARGUMENT`.
    """
    if not isinstance(value, dict):
        raise Refused(Code.INVALID_ARGUMENT, f"{what} must be a JSON object")
    for field in value:
        if field not in known:
            raise Refused(Code.INVALID_ARGUMENT, f"{what} has no {field[:60]!r}; it has {', '.join(sorted(known))}")
    return value


def _size(values: NDArray[Any]) -> int:
    return sum(map(len, values.reshape(-1))) if values.dtype == object else values.nbytes


def _parsed_large(body: bytes) -> Any:
    if _values(body) > _MOST_VALUES:
        raise Refused(Code.INVALID_ARGUMENT, f"more than {_MOST_VALUES:,} values in JSON; send them as binary data")
    return _parsed(body)


def _values(body: bytes) -> int:
    """Not fewer than the values in a body of JSON, but for one and for what is nested."""
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(",")))


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(Code.INVALID_ARGUMENT, f"the body is no JSON: {one_line(error)}") from None
