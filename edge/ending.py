"""How a verb of `hotswap-edge` is told to end: from its first moment on, before what it needs is imported."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class _Asked(BaseException):
    """The process was asked to end: it ends wherever it is, as it may be killed anywhere too."""


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Ends its block at once where SIGTERM or Ctrl-C asks for that; what it yields is set then, and at the end."""
    stop = threading.Event()

    def end(*_: object) -> None:
        if not stop.is_set():
            stop.set()
            raise _Asked

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with suppress(_Asked):
            for number in before:
                signal.signal(number, end)
            yield stop
    finally:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)
