"""Calls of models on trial that are begun before another model is asked: of one trial at a time."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator


class Ahead:
    """Of one process. Threads may use it side by side.

    Whoever has begun a call holds room in a model's process while it waits for room in another's. Were two models to
    swap their parts meanwhile, some would hold room in the one and wait for the other, and others the other way round,
    for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: Counter[int] = Counter()

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
