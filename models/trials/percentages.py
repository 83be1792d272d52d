"""Shares as people write them: `0.1%`."""

from __future__ import annotations

import re

PERCENTAGE = r"0*(100(\.0{1,9})?|[0-9]{1,2}(\.[0-9]{1,9})?)%"
"""What a share between 0% and 100% matches, as a regular expression."""


def share_of(text: str) -> float:
    """The share that a percentage says, between 0 and 1.

    Raises:
        ValueError: it is none.
    """
    if re.fullmatch(PERCENTAGE, text) is None:
        raise ValueError(f"{text[:40]!r} is no percentage between 0% and 100%, such as 0.1%")
    return float(text.removesuffix("%")) / 100
