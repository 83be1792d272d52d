"""The memory of a studio and of its stream while they work, looked at again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import psutil

from benchmarks.family import held
from benchmarks.studio.running import RunningStudio

_LOOK_SECONDS = 2.0


@dataclass(slots=True)
class MemoryOverTime:
    """What was seen, in MiB.

    Attributes:
        seconds: when, since the first.
        studio: its own process.
        stream: the job and all processes below it.
    """

    seconds: list[float] = field(default_factory=list)
    studio: list[float] = field(default_factory=list)
    stream: list[float] = field(default_factory=list)

    def ends(self, of: list[float]) -> tuple[float, float]:
        """Of `studio` or `stream`: the mean of a tenth of the looks after the first fifth, and of the last tenth."""
        tenth = max(len(of) // 10, 1)
        begin = len(of) // 5
        return float(np.mean(of[begin : begin + tenth])), float(np.mean(of[-tenth:]))

    def an_hour(self, of: list[float]) -> float:
        """How much it grows in an hour, by the line through the second half of the looks."""
        half = len(of) // 2
        if len(of) - half < 2:
            return 0.0
        return float(np.polyfit(self.seconds[half:], of[half:], 1)[0]) * 3600


@contextmanager
def watched_memory(studio: RunningStudio) -> Iterator[MemoryOverTime]:
    """Looks while the block runs."""
    seen, over, began = MemoryOverTime(), threading.Event(), time.monotonic()

    def look() -> None:
        while not over.wait(_LOOK_SECONDS):
            with suppress(psutil.Error, IndexError):
                job = studio.children("beam_pipeline")[0]
                mine, its = studio.process.memory_info().rss / (1 << 20), held(job.pid).rss
                seen.seconds.append(time.monotonic() - began)
                seen.studio.append(mine)
                seen.stream.append(its)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
