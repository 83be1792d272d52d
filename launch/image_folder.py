"""Tells of every image in a folder, and of each that lands there later."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_LOGGER = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
STILL_SECONDS = 0.5


class ImageFolder:
    """Looks through a folder and all below it, from a thread of its own, until closed.

    A file is told of once, as soon as it has held still for half a second. Hidden files are left out: that is how
    copying programs name what is not finished.

    Args:
        folder: where images land.
        tell: called with each file's path.
        leave_out: whether a file there is none of the images, a model say.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None], leave_out: Callable[[str], bool]) -> None:
        self._folder = folder
        self._tell = tell
        self._leave_out = leave_out
        self._told: set[str] = set()
        self._unsettled: dict[str, tuple[int, int]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="image folder", daemon=True)
        self._thread.start()

    @property
    def settled(self) -> bool:
        """Whether every file there was told of, as of the last look."""
        return self._looked and not self._unsettled

    _looked = False

    def close(self) -> None:
        """Tells of nothing more."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            started = time.monotonic()
            try:
                self._look()
                self._looked = True
            except OSError as error:
                _LOGGER.warning("%s cannot be looked through, trying again: %s", self._folder, error)
            # A folder of a hundred thousand files is looked at less often: at most a tenth of the time.
            self._closed.wait(max(LOOK_SECONDS, 9 * (time.monotonic() - started)))

    def _look(self) -> None:
        unsettled: dict[str, tuple[int, int]] = {}
        for entry in _files(self._folder):
            if self._closed.is_set():
                return
            if entry.path in self._told or self._leave_out(entry.path):
                continue
            status = entry.stat()
            seen = (status.st_size, status.st_mtime_ns)
            if self._unsettled.get(entry.path) == seen or time.time() - status.st_mtime > STILL_SECONDS:
                self._told.add(entry.path)
                self._tell(entry.path)
            else:
                unsettled[entry.path] = seen
        self._unsettled = unsettled


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files below `folder`, by name, whatever vanishes meanwhile."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.is_file():
                    yield entry
            except OSError:
                continue
