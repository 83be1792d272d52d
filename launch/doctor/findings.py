"""What a check is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `remedy` says what to do where it is not `ok`."""

    level: Level
    what: str
    remedy: str = ""


Check = Callable[[], Iterator[Finding]]
