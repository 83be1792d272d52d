"""How much memory a process took at most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def memory_within(pid: int, more: int) -> Iterator[None]:
    """Something that may have a process hold so many bytes more at most than it holds now.

    Raises:
        AssertionError: it held more.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # has the peak begin anew
    before = _peak(pid)
    yield
    took = _peak(pid) - before
    assert took <= more, f"{took >> 20} MiB more than before; {more >> 20} MiB were expected at most"


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) << 10
