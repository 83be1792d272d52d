"""JSON as it goes out."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson


def as_json(content: object) -> bytes:
    """Content as JSON, on one line.

    Args:
        content: of dictionaries, lists, texts, numbers and dataclasses; any texts and numbers.
    """
    try:
        return orjson.dumps(content)
    except TypeError:
        # The name of a file may be no UTF-8, and a number of any size: of which that library will have nothing.
        return json.dumps(content, default=_fields, separators=(",", ":")).encode("ascii")


def _fields(content: Any) -> dict[str, Any]:
    if is_dataclass(content) and not isinstance(content, type):
        return asdict(content)
    raise TypeError(f"{type(content).__name__} is nothing that JSON has")
