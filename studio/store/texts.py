"""Texts, numbers and moments as both databases take them."""

from __future__ import annotations

import hashlib
import math
import re
from datetime import UTC, datetime

from models.moments import rfc3339

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL keeps no NUL in a text; half of a pair is no UTF-8."""
LONGEST_TEXT = 2_000
"""So that a line of an export stays below what retraining reads of one, however it is escaped."""
LARGEST_INTEGER = (1 << 31) - 1


def storable(text: str) -> str:
    """A stranger's text, cut, and with `�` for each character that a database does not take."""
    return _NOT_STORABLE.sub("\ufffd", text[:LONGEST_TEXT])


def storable_or_none(text: str | None) -> str | None:
    """The same, of what may be missing."""
    return None if text is None else storable(text)


def finite(score: float | None) -> float | None:
    """A score; None where it is no number."""
    return score if score is not None and math.isfinite(score) else None


def model_key(model_id: str) -> bytes:
    """By which a model is looked up: 32 bytes, however long its id is."""
    return hashlib.sha256(model_id.encode()).digest()


def moment(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339."""
    return rfc3339(datetime.fromtimestamp(seconds, UTC))
