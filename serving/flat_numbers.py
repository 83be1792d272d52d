"""Numbers that come one by one, in a text or in a message, as an array."""

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
                exact = np.array(values, np.float64)
                array = exact.astype(dtype)
                fits = bool((array == exact).all())
            else:
                array = np.array(values, dtype)
                fits = dtype.kind != "f" or bool(np.isfinite(array).all())
    except OverflowError:
        fits = False
    if not fits:
        raise Refused(Code.INVALID_ARGUMENT, f"{name!r} holds numbers that are none of {dtype.name}")
    return array
