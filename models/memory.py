"""The memory of this machine, and how the C library treats what is freed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_LARGEST_KEPT = 32 << 20  # the most that glibc takes for M_MMAP_THRESHOLD
_MOST_KEPT = 128 << 20
_LEAST_OF_A_HOST = 1 << 30


_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Of this container, as versions 2 and 1 of control groups tell it."""


_NVIDIA_DRIVER = Path("/dev/nvidiactl")
_OUT_OF_MEMORY = (
    *("OOM", "out of memory", "exhausted", "ResourceExhausted", "bad_alloc"),
    *("allocate memory", "Unable to allocate", "Failed to allocate"),
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether a framework's error means that there was not enough memory; each says so in words of its own."""
    return isinstance(error, MemoryError) or says_out_of_memory(str(error))


def says_out_of_memory(text: str) -> bool:
    """The same of an error's text, or of the last words of a process."""
    return any(words in text for words in _OUT_OF_MEMORY)


def machine_bytes() -> int:
    """The memory of this machine, or of this container where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(Path, _LIMITS):
        with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
            return min(total, int(path.read_text()))
    return total


def host_bytes(measured: int, machine: int) -> int:
    """What a model's process may take beyond its libraries: a gigabyte, or more where vetting measured more.

    Args:
        measured: bytes that its manifest says it takes; who wrote that may have written anything.
        machine: bytes of memory; never all of it is allowed for what a manifest says.
    """
    return max(_LEAST_OF_A_HOST, min(2 * measured, machine * 3 // 4))


def own_bytes(field: str) -> int:
    """Of this process, by Linux: `VmRSS` that it holds, `VmHWM` the most that it held, `VmData` its own; else 0."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) << 10
    return 0


def has_nvidia_driver() -> bool:
    """Whether address space means nothing here: the driver maps all memory of machine and GPU."""
    return _NVIDIA_DRIVER.exists()


def keep_freed_memory() -> None:
    """Lets this process use freed memory again instead of returning it to the system at once; of glibc alone.

    Left alone glibc maps a fresh zeroed page for every 4 KiB of each decoded image: a fifth of the CPU time of a large
    photograph (docs/performance.md). And it keeps what each thread frees for that thread alone: eight that decode in
    turns hold 2 GiB where one place for all holds a sixth, in no more time.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
            libc.mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)
            libc.mallopt(_M_ARENA_MAX, 1)
