"""How long a thread waited for its turn at engines, which is no time of the model that it asked."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator


class _Waited(threading.local):
    seconds = 0.0


_waited = _Waited()


@contextlib.contextmanager
def waiting_for_turn() -> Iterator[None]:
    """What is done meanwhile is waiting."""
    began = time.monotonic()
    try:
        yield
    finally:
        _waited.seconds += time.monotonic() - began


def seconds_waited() -> float:
    """That this thread has waited so far, in all."""
    return _waited.seconds
