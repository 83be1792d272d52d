"""The memory of this machine, and how the C library treats what is freed."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_KEPT = 32 << 20  # the most that glibc takes for M_MMAP_THRESHOLD
_MOST_KEPT = 128 << 20


_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of this container, as versions 2 and 1 of control groups tell it."""


def machine_bytes() -> int:
    """The memory of this machine, or of this container where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(Path, _LIMITS):
        with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
            return min(total, int(path.read_text()))
    return total


def keep_freed_memory() -> None:
    """Lets this process use freed memory again instead of returning it to the system at once; of glibc alone.

    Left alone glibc maps a fresh zeroed page for every 4 KiB of each decoded image: a fifth of the CPU time of a large
    photograph (docs/performance.md).
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
            libc.mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)


def give_freed_memory_back(cycles: bool) -> None:
    """Returns what is free to the system.

    Args:
        cycles: whether to look for garbage first that is held by itself alone.
    """
    if cycles:
        gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
