"""The vetting children of this process."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
"""Where `tests` is imported from."""


def children() -> list[psutil.Process]:
    """The vetting children that run now, those not counted that ended and were not yet waited for."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "models.vetting.child" in process.cmdline():
                found.append(process)
    return found
