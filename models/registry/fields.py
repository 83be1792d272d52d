"""How what a registry keeps is written, and read again: whoever wrote it may be a stranger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models.errors import ModelRejected
from models.printable import json_text, printable
from models.reference import ModelReference
from models.storage.objects import MOST_OBJECT_BYTES

FORMAT = 1
GREATEST_WHOLE = 1 << 53
"""Of numbers that count; JSON tells greater ones inexactly."""
MOST_TEXTS = 100
"""Of a list of texts, the first of them."""
_LONGEST_TEXT = 4000
_SHA256 = re.compile(r"[0-9a-f]{64}")


def encoded(value: dict[str, Any]) -> bytes:
    """An object's bytes: JSON, with the version of its format."""
    return json_text({"format": FORMAT} | value, indent=1).encode("utf-8", "backslashreplace") + b"\n"


@contextmanager
def reading(data: bytes) -> Iterator[dict[str, Any]]:
    """The JSON of an object; whatever is wrong with it, here or where it is read further, is a `ValueError`."""
    if len(data) > MOST_OBJECT_BYTES:
        raise ValueError(f"has more than {MOST_OBJECT_BYTES:,} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("was not written by this version")
    try:
        yield value
    except (LookupError, TypeError, AttributeError, ModelRejected) as error:
        raise ValueError(f"lacks something, or has it otherwise: {error}") from error


def reference_from(uri: str, sha256: Any) -> ModelReference:
    """A model at an address that was read already.

    Raises:
        ValueError: there is no digest.
    """
    return ModelReference(uri, sha256_from(sha256))


def sha256_from(value: Any) -> str:
    """All 64 digits.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("has no digest")
    return value


def address_from(value: Any) -> str:
    """Of a file.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise ValueError("has no address")
    return value


def exact_text(value: Any) -> str:
    """What others compare with what they know, as it is.

    Raises:
        ValueError: it is no text.
    """
    if not isinstance(value, str):
        raise ValueError("has something else in place of a text")
    return value


def shown_text(value: Any) -> str:
    """What people are shown, printable and not too long.

    Raises:
        ValueError: it is no text.
    """
    return printable(exact_text(value))[:_LONGEST_TEXT]


def shown_texts(value: Any) -> tuple[str, ...]:
    """As `shown_text`, the first `MOST_TEXTS`.

    Raises:
        ValueError: it is no list of texts.
    """
    if not isinstance(value, list):
        raise ValueError("has something else in place of a list of texts")
    return tuple(map(shown_text, value[:MOST_TEXTS]))
