"""In which batches both models of a trial are timed: on as many images each, and one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from models.trials.evidence import Side

FIRST_BATCHES, FIRST_IMAGES = 40, 8
"""Of a step: so many batches are timed one after so many images of the new model, so that a slow one is found soon."""
MOST_IMAGES = 64
"""That the new model is asked about between two later ones."""
_REST = 48.0
"""Times as long as the last one took, in which there is no other unless so many images came: three calls, each waited
for, take a fifth longer than two at once."""
_LONGEST_REST_SECONDS = 30.0


class Matching:
    """Of one step of a trial in one process. Threads may ask side by side.

    Where both are asked at once, neither's time says anything. So they are timed in some batches, and asked at once in
    all others: the less there is to do, the more of them are timed; where there is much, it is enough for a verdict.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._images = 0
        self._ended = self._took = 0.0
        self._matched = 0
        self._owed = 0

    def is_due(self, images: int) -> bool:
        """Whether both should be timed in this batch.

        Args:
            images: of the batch, that the new model is asked about.
        """
        with self._lock:
            self._images += images
            most = FIRST_IMAGES if self._matched < FIRST_BATCHES else MOST_IMAGES
            rests = 1.0 if self._images >= most else _REST
            return self._clock() - self._ended >= min(rests * self._took, _LONGEST_REST_SECONDS)

    def first(self) -> Side:
        """Which model is asked first in a batch that is timed from now on.

        Whoever is asked first wakes up the processors, and would seem the slower one: each is in half of the batches.
        """
        with self._lock:
            self._images = 0
            self._matched += 1
            return "old" if self._matched % 2 else "new"

    def took(self, seconds: float) -> None:
        """Takes in how long such a batch was asked about, until now."""
        with self._lock:
            self._ended, self._took = self._clock(), seconds

    def owe(self) -> None:
        """Takes in that a batch was timed which the new model answered alone: one of the old model's is to be, too."""
        with self._lock:
            self._owed += 1

    def take_owed(self) -> bool:
        """Whether this batch, which the old model answers alone, is to be timed for such a one: for one each."""
        with self._lock:
            is_owed = self._owed > 0
            self._owed -= is_owed
            return is_owed
