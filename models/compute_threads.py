"""The threads in which this process computes: one a core."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def compute_threads() -> ThreadPoolExecutor:
    """For work that holds no lock of Python's; what runs there must not wait for more of it."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="compute")
