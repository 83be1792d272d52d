"""Who may have room in the process of one model while it waits for room in that of another: those of one trial."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator


class Ahead:
    """The calls of this process that are begun before another model is asked. Threads may use it side by side.

    Whoever has begun one holds room in a model's process while it waits for room in another's. Were two models to
    swap their parts meanwhile, some would hold room in the one and wait for the other, and others the other way round,
    for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: Counter[int] = Counter()
        self._is_timing = False

    @contextlib.contextmanager
    def of(self, number: int) -> Iterator[bool]:
        """Whether a call may be begun ahead in this trial: until all those of others are over, none may.

        Args:
            number: of the trial.
        """
        with self._lock:
            may_begin = not (self._begun.keys() - {number})
            self._begun[number] += may_begin
        try:
            yield may_begin
        finally:
            with self._lock:
                self._begun[number] -= may_begin
                self._begun += Counter()  # without those that are over

    @contextlib.contextmanager
    def timing(self, number: int) -> Iterator[bool]:
        """Whether this thread may have both models for itself, to time them: one may at a time, and as `of` has it.

        Args:
            number: of the trial.
        """
        with self._lock:
            is_first, self._is_timing = not self._is_timing, True
        try:
            with self.of(number) as may_begin:
                yield is_first and may_begin
        finally:
            if is_first:
                with self._lock:
                    self._is_timing = False
