"""Waiting for what a running job does, as long as it takes and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], what: str, seconds: float = 60.0) -> Found:
    """What `look` answers, once that is true.

    Raises:
        AssertionError: it has not been for so many seconds; says what was waited for and what was seen last.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:.0f} s still waiting for {what}; last seen: {found!r}")
        time.sleep(0.05)
    return found
