"""How a person or a supervisor asks a run to end."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within it SIGINT and SIGTERM only set what the given function returns.

    A second one interrupts, so that nothing is waited for; a third ends the process where it stands.
    """
    asked = 0

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise KeyboardInterrupt
        if asked > 2:
            os._exit(128 + signum)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
