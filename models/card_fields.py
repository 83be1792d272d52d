"""How fields of a card are checked: each that cannot be meant is a `bad_card`, which names it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from models.errors import ModelFault, ModelRejected

MAX_LABEL = 500
LARGEST_NUMBER = 1e30
"""Numbers are used in float32, which holds neither much larger ones nor the inverse of much smaller ones."""


def bad(detail: str) -> ModelRejected:
    """The rejection of a card."""
    return ModelRejected(ModelFault.BAD_CARD, detail)


def shown(value: object) -> str:
    """What was written there, as a part of one printable line."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def no_unknown(written: Mapping[str, Any], kind: type, where: str) -> None:
    """Refuses fields that a dataclass does not have."""
    unknown = sorted(set(written) - set(kind.__dataclass_fields__))  # type: ignore[attr-defined]
    if unknown:
        known = ", ".join(kind.__dataclass_fields__)  # type: ignore[attr-defined]
        raise bad(f"{where} has an unknown field {shown(unknown[0])}; there are {known}")


def text(written: Mapping[str, Any], field: str, default: str, *, limit: int, lines: bool = False) -> str:
    """A text that can be printed; over several lines where `lines`."""
    value = written.get(field, default)
    if field == "version" and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > limit:
        raise bad(f"`{field}` must be a text of at most {limit} characters")
    _require_printable(value, field, allowed="\n\r\t" if lines else "")
    return value


def texts(written: Mapping[str, Any], field: str, default: tuple[str, ...], within: str = "") -> tuple[str, ...]:
    """A list of texts that can be printed."""
    value = written.get(field, list(default))
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad(f"`{within}{field}` must be a list of texts")
    for item in value:
        if len(item) > MAX_LABEL:
            raise bad(f"`{within}{field}` holds a text of {len(item)} characters; at most {MAX_LABEL} are allowed")
        _require_printable(item, within + field)
    return tuple(value)


def choice(written: Mapping[str, Any], field: str, choices: tuple[str, ...], default: str, within: str = "") -> str:
    """One of a few words."""
    value = written.get(field, default)
    if value not in choices:
        raise bad(f"`{within}{field}` is {shown(value)}; one of {', '.join(choices)} is expected")
    return cast(str, value)


def number(value: Any, name: str, least: float = -LARGEST_NUMBER, most: float = LARGEST_NUMBER) -> float:
    """A number within two others, both included."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise bad(f"`{name}` must be a number between {least:g} and {most:g}")
    return float(value)


def whole(value: Any, name: str, least: int, most: int) -> int:
    """A whole number within two others, both included."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise bad(f"`{name}` must be a whole number between {least} and {most}")
    return value


def _require_printable(text: str, field: str, allowed: str = "") -> None:
    """Half surrogate pairs cannot be written as UTF-8, and control characters would write in others' terminals."""
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in allowed:
            raise bad(f"`{field}` holds the character U+{ord(character):04X}, which cannot be printed")
