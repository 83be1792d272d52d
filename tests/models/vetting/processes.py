"""The processes that this one started to have models vetted, or answer."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
"""Where `tests` is imported from."""


HOST = "models.hosting.host"


def children(module: str = "models.vetting.child") -> list[psutil.Process]:
    """The vetting children that run now, those not counted that ended and were not yet waited for; or the hosts."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if module in process.cmdline():
                found.append(process)
    return found
