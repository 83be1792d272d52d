"""How long a job waits for its models, and what ends all waiting."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from models.errors import ModelsClosed

START_SECONDS = 60.0
"""For a model to be loaded, and to answer for the first time."""
LAST_SECONDS = 3.0
"""For the answer to a batch once the program is to end; longer where the model is slow when all is well."""
_LONGEST_LAST_SECONDS = 30.0
"""However slow a model says that it is."""
_LAST_SHARE = 0.1
_LOOK_SECONDS = 0.2
_STARVED = 6
"""Times as long one waits for a process that gets no processor."""
_WAITS = ("R", "D")
"""States of a thread that would go on if it could: it waits for a processor, or for a disk."""


class Patience:
    """Of one holder of models with all their hosts. Any thread may end it."""

    def __init__(self) -> None:
        self._ending_since: float | None = None
        self._over = False

    @property
    def is_ending(self) -> bool:
        """Whether the program is to end soon."""
        return self._ending_since is not None

    @property
    def is_over(self) -> bool:
        """Whether nobody waits any more."""
        return self._over

    def end_soon(self) -> None:
        """The program is to end: who does not answer now is given up."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()

    def end_now(self) -> None:
        """Lets go everybody who waits."""
        self._over = True

    def wait(self, ready: Callable[[float], bool], pid: int, seconds: float) -> bool:
        """Waits for a process; longer than it may take while that gets no processor.

        Args:
            ready: waits for at most so many seconds, and tells whether it is ready.
            pid: of the process.
            seconds: that it may take.

        Returns:
            Whether it was ready in time.

        Raises:
            ModelsClosed: `end_now` was called.
        """
        began = time.monotonic()
        used: float | None = None
        while not self._over:
            if ready(_LOOK_SECONDS):
                return True
            now = time.monotonic()
            used = _processor_seconds(pid) if used is None else used
            if self._ending_since is not None:
                last = min(max(LAST_SECONDS, _LAST_SHARE * seconds), _LONGEST_LAST_SECONDS)
                if now > max(began, self._ending_since) + last:
                    return False
            if now > began + _STARVED * seconds:
                return False
            if now > began + seconds and not _is_starved(pid, _processor_seconds(pid) - used, now - began):
                return False
        raise ModelsClosed


def _processor_seconds(pid: int) -> float:
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return 0.0


def _is_starved(pid: int, used: float, elapsed: float) -> bool:
    """Whether a process that used so many seconds of processor time in so many of wall time would take more."""
    if used > elapsed / 2:
        return False
    with contextlib.suppress(OSError, IndexError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if (thread / "stat").read_text().rpartition(")")[2].split()[0] in _WAITS:
                return True
    return False
