"""Waiting for what other threads and processes do, as long as it takes and no longer."""

from __future__ import annotations

import subprocess
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
        time.sleep(0.01)
    return found


def eventually_alive(
    process: subprocess.Popen[bytes], log: Callable[[], str], look: Callable[[], Found], what: str, seconds: float
) -> Found:
    """The same, as long as a process lives.

    Args:
        process: that is waited for.
        log: answers what it said.
        look, what, seconds: as of `eventually`.

    Raises:
        AssertionError: it ended, or as `eventually`; with the end of what it said.
    """

    def look_alive() -> Found:
        found = look()
        assert found or process.poll() is None, f"the process ended while waiting for {what}"
        return found

    try:
        return eventually(look_alive, what, seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {log()[-2000:]}") from None
