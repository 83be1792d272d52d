"""Numbers of a trial for people: each thing that is judged has its unit, in verdicts, on terminals and in reports."""

from __future__ import annotations

import math
from collections.abc import Callable

BROKEN_BELOW = ("agreement", "accuracy")
"""Of what is judged: where smaller values break the limit."""


def percent(share: float) -> str:
    """A share as a percentage, with as many digits as tell something: 0.0004 is `0.04%`."""
    told = 100 * share
    digits = 2 if abs(told) < 1 else 1
    return _minus(f"{told:.{digits}f}".rstrip("0").rstrip(".")) + "%"


def in_unit(what: str, number: float | None) -> str:
    """A number of one finding in its unit; `–` where there is none.

    Args:
        what: see `models.trials.judging.Finding`.
        number: a share, a factor, an index, a difference of shares.
    """
    if number is None or not math.isfinite(number):
        return "–" if number is None or math.isnan(number) else "∞"
    shown = _UNITS.get(what, _plain)(number)
    return shown.removeprefix("−") if not shown.strip("−0.%") else shown


def _times(factor: float) -> str:
    return f"×{factor:.2f}"


def _points(difference: float) -> str:
    return _minus(f"{100 * difference:+.1f}").removesuffix(".0") + " points"


def _plain(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _minus(number: str) -> str:
    return number.replace("-", "−")


_UNITS: dict[str, Callable[[float], str]] = {
    "failures": percent,
    "agreement": percent,
    "accuracy": _points,
    "slowdown": _times,
}
