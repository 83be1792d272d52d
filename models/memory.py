"""How the C library treats freed memory; without effect where it is not glibc."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_KEPT = 32 << 20  # the most that glibc takes for M_MMAP_THRESHOLD
_MOST_KEPT = 128 << 20


def keep_freed_memory() -> None:
    """Lets this process use freed memory again instead of returning it to the system at once.

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
