"""Numbers that come one by one, as an array of the dtype that they should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.asking import Code, Refused

_NUMBERS = {bool, int, float}


def array_of(values: Sequence[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Numbers as an array of a dtype, exactly; fractions of floats are rounded to it.

    Args:
        values: of Python's `bool`, `int` or `float`, if they are what they should be.
        dtype: of the array.
        name: of the tensor, for the words of a refusal.

    Returns:
        Shape (len(values),).

    Raises:
        Refused: `INVALID_ARGUMENT`: some are no numbers, or none that the dtype has.
    """
    kinds = set(map(type, values))
    if not kinds <= _NUMBERS or (bool in kinds) != (dtype.kind == "b" and bool(values)):
        what = "true and false" if dtype.kind == "b" else "numbers"
        raise Refused(Code.INVALID_ARGUMENT, f"{name!r} must hold {what} alone")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            if dtype.kind in "iu" and float in kinds:
                return narrowed(np.array(values, np.float64), dtype, name)
            array = np.array(values, dtype)
    except OverflowError:
        raise _misfit(dtype, name) from None
    if dtype.kind == "f" and not np.isfinite(array).all():
        raise _misfit(dtype, name)
    return array


def narrowed(values: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Numbers as whole numbers of a dtype, exactly.

    Args:
        values: of any shape.
        dtype: of whole numbers.
        name: of the tensor, for the words of a refusal.

    Returns:
        The same shape.

    Raises:
        Refused: `INVALID_ARGUMENT`: the dtype has not all of them.
    """
    with np.errstate(invalid="ignore"):
        narrow = values.astype(dtype)
    if (narrow != values).any():
        raise _misfit(dtype, name)
    return narrow


def _misfit(dtype: np.dtype[Any], name: str) -> Refused:
    return Refused(Code.INVALID_ARGUMENT, f"{name!r} holds numbers that are none of {dtype.name}")
