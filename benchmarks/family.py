"""What a process and all those below it hold and use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil


class Held(NamedTuple):
    """Memory, in MiB.

    Attributes:
        pss: in which a page that several processes share is shared out among them.
        rss: in which it counts for each.
    """

    pss: float
    rss: float


def family(pid: int) -> Iterator[psutil.Process]:
    """A process and those below it that are there; none where it has ended."""
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        yield from (first, *first.children(recursive=True))


def held(pid: int) -> Held:
    """What all of them hold now."""
    pss = rss = 0.0
    for process in family(pid):
        with suppress(psutil.Error, OSError):
            pss += pss_kibibytes(process.pid) / 1024
            rss += process.memory_info().rss / (1 << 20)
    return Held(pss, rss)


def cpu_seconds(pid: int) -> float:
    """What all of them have used, over all cores; of those that ended, what was known when they were awaited."""
    seconds = 0.0
    for process in family(pid):
        with suppress(psutil.Error):
            seconds += sum(process.cpu_times()[:4])
    return seconds


def pss_kibibytes(pid: int) -> int:
    """Proportional set size of one process.

    Raises:
        OSError: it has ended.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
