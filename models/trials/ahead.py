"""Who may have room in the process of one model while it waits for room in that of another: those of one trial."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Ahead:
    """The calls of this process that are begun before another model is asked. Threads may use it side by side.

    Whoever has begun one holds room in a model's process while it waits for room in another's. Were two models to
    swap their parts meanwhile, some would hold room in the one and wait for the other, and others the other way round,
    for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timing = threading.Lock()
        self._number = 0
        self._begun = 0

    @contextlib.contextmanager
    def of(self, number: int) -> Iterator[bool]:
        """Whether a call may be begun ahead in this trial: until all those of others are over, none may.

        Args:
            number: of the trial.
        """
        with self._lock:
            may_begin = self._begun == 0 or self._number == number
            if may_begin:
                self._number = number
                self._begun += 1
        if not may_begin:
            yield False
            return
        try:
            yield True
        finally:
            with self._lock:
                self._begun -= 1

    @contextlib.contextmanager
    def timing(self, number: int) -> Iterator[bool]:
        """Whether this thread may have both models for itself, to time them: one may at a time, and as `of` has it.

        Args:
            number: of the trial.
        """
        if not self._timing.acquire(blocking=False):
            yield False
            return
        try:
            with self.of(number) as may_begin:
                yield may_begin
        finally:
            self._timing.release()
