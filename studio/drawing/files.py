"""Drawings as files that the stream reads, until they are old."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Container
from pathlib import Path

from models.storage.errors import FULL_DISK
from studio.errors import StudioRefused, Trouble

OLDEST_SECONDS = 3600.0
MOST_FILES = 5_000

_OURS = re.compile(r"\.?[0-9a-f]{32}\.png(\.partial)?")
_SAVED_BETWEEN = 200
_SECONDS_BETWEEN = 60.0


class DrawingFiles:
    """The files of drawings in one folder; what else lies there is left alone."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Takes the folder, which is made when it is needed.

        Args:
            folder: of the drawings.
            clock: seconds since the epoch, as files bear them.
        """
        self._folder = folder
        self._clock = clock
        self._pruning = threading.Lock()
        self._saved = _SAVED_BETWEEN
        self._pruned = -_SECONDS_BETWEEN

    def save(self, drawing: str, png: bytes) -> Path:
        """The file of a drawing, which appears whole under its name.

        Raises:
            StudioRefused: `DISK_FULL`, or `NOT_POSSIBLE`: the folder cannot be written.
        """
        target = self._path(drawing)
        # Not flushed to the disk: what a power cut takes from here was drawn for an answer that is gone too.
        partial = self._folder / f".{target.name}.partial"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.write_bytes(png)
            partial.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            if error.errno in FULL_DISK:
                line = f"the disk is full: make room below {self._folder}, then draw again"
                raise StudioRefused(Trouble.DISK_FULL, line) from error
            line = f"the drawing cannot be saved below {self._folder}: {error.strerror}"
            raise StudioRefused(Trouble.NOT_POSSIBLE, line) from error
        self._saved += 1
        return target

    def remove(self, drawing: str) -> None:
        """Takes the file of a drawing away, where there is one."""
        with contextlib.suppress(OSError):
            self._path(drawing).unlink(missing_ok=True)

    def prune_at_times(self, asked: Callable[[], Container[str]]) -> None:
        """Now and then, takes old drawings away: those of over an hour, and the oldest beyond 5,000.

        Args:
            asked: the paths of those that the stream has not answered yet, which stay.
        """
        if self._saved < _SAVED_BETWEEN and time.monotonic() - self._pruned < _SECONDS_BETWEEN:
            return
        if not self._pruning.acquire(blocking=False):
            return
        try:
            self._saved, self._pruned = 0, time.monotonic()
            with contextlib.suppress(OSError):  # the folder may be gone for a moment; the next time does
                self._prune(asked())
        finally:
            self._pruning.release()

    def _prune(self, asked: Container[str]) -> None:
        with os.scandir(self._folder) as entries:
            found = [entry for entry in entries if _OURS.fullmatch(entry.name)]
        dated = []
        for entry in found:
            with contextlib.suppress(FileNotFoundError):
                dated.append((entry.stat(follow_symlinks=False).st_mtime, entry.path))
        dated.sort()
        beyond = len(dated) - MOST_FILES
        oldest = self._clock() - OLDEST_SECONDS
        for number, (modified, path) in enumerate(dated):
            if number >= beyond and modified >= oldest:
                break
            if path not in asked:
                with contextlib.suppress(FileNotFoundError):
                    Path(path).unlink()

    def _path(self, drawing: str) -> Path:
        return self._folder / f"{drawing}.png"
