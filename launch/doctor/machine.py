"""Disk, memory, and the tools that only some launches use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

import psutil

from launch.doctor.findings import Finding, Level
from models.confinement.proving import REMEDY, what_is_reached
from models.errors import NotConfined
from models.registry.cache import ArtefactCache, default_cache_folder

DISK_NEEDED, DISK_WANTED = 200 << 20, 2 << 30
MEMORY_WANTED = 3 << 30


def cache() -> Iterator[Finding]:
    """Where compiled models are kept, and the room there."""
    folder = default_cache_folder()
    try:
        ArtefactCache(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "set HOTSWAP_CACHE to a folder that can be written"
        yield Finding("fail", f"the cache {folder} cannot be written: {error.strerror or error}", remedy)
        return
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free >= DISK_WANTED else "warn" if free >= DISK_NEEDED else "fail"
    remedy = "" if level == "ok" else "free some disk, or set HOTSWAP_CACHE to a folder on another one"
    yield Finding(level, f"cache of compiled models {folder}, {free / 2**30:.1f} GiB free", remedy)


def memory() -> Iterator[Finding]:
    """Room for the job and for vetting beside it."""
    available = psutil.virtual_memory().available
    what = f"{available / 2**30:.1f} GiB of memory available"
    if available >= MEMORY_WANTED:
        yield Finding("ok", what)
    else:
        yield Finding("warn", what, f"{MEMORY_WANTED >> 30} GiB are comfortable; large models may be rejected")


def optional_tools() -> Iterator[Finding]:
    """What only some tests and launches use."""
    for tool, use in (("go", "to build Prism, Beam's local portable runner"), ("docker", "to build the container")):
        place = shutil.which(tool)
        yield Finding("ok", f"{tool} at {place}" if place else f"{tool} is not installed; only needed {use}")


def confinement() -> Iterator[Finding]:
    """What a model would reach that took its process over, found out by trying."""
    try:
        reached = what_is_reached()
    except NotConfined as error:
        yield Finding("warn", str(error), REMEDY)
        return
    for what in reached:
        yield Finding("warn", f"a model that took its process over would reach {what}", REMEDY)
    if not reached:
        yield Finding("ok", "a model that takes its process over reaches no network, file, process or privilege")
