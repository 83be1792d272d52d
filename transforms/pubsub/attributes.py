"""What subscribers filter and deduplicate published records by, without reading them."""

from __future__ import annotations

from typing import Any

from models.records import DeadLetter

MAX_ATTRIBUTE_BYTES = 1024
"""Of a value, in UTF-8 (https://cloud.google.com/pubsub/quotas#resource_limits)."""


def attributes_of(record: Any) -> dict[str, str]:
    """The attributes of a record's message: of results and dead letters, each a field of the record.

    A value that no attribute can hold is left out, never shortened: one that is empty, over 1,024 bytes, or no text.
    """
    if isinstance(record, DeadLetter):
        letter = record.to_json()
        return _holdable({name: letter[name] for name in ("message_id", "stage", "error")})
    if isinstance(record, dict):
        return _holdable({name: record.get(name, "") for name in ("message_id", "model_id")})
    return {}


def _holdable(values: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if 0 < _size(value) <= MAX_ATTRIBUTE_BYTES}


def _size(value: str) -> int:
    """In bytes; 0 for what is no text, as the name of a file may be."""
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        return 0
