"""Tells of every image in a folder, and of each that lands there later."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from models.printable import logger
from models.signatures.beside import SIGNATURE_SUFFIX
from models.storage import LocalStorage

_LOGGER = logger(__name__)

LOOK_SECONDS = 0.25
STILL_SECONDS = 0.5


class ImageFolder:
    """Looks through a folder and all below it, from a thread of its own, until closed.

    A file is told of once, as soon as it has held still for half a second. Hidden files are left out: that is how
    copying programs name what is not finished. Folders that cannot be looked through are left out with a warning.

    Args:
        folder: where images land.
        tell: called with each file's path; after an `OSError` it is called again at the next look.
        leave_out: whether a file there is none of the images, a model say.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None], leave_out: Callable[[str], bool]) -> None:
        self._folder = folder
        self._tell = tell
        self._leave_out = leave_out
        self._told: set[str] = set()
        self._unsettled: dict[str, tuple[int, int]] = {}
        self._looked = False
        self._trouble: set[str] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="image folder", daemon=True)
        self._thread.start()

    @property
    def settled(self) -> bool:
        """Whether every file there was told of, as of the last look."""
        return self._looked and not self._unsettled

    def close(self) -> None:
        """Tells of nothing more."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            started = time.monotonic()
            looked_seconds = 0.0
            try:
                still, unsettled = self._look()
                looked_seconds = time.monotonic() - started
                self._tell_of(still)
                self._unsettled, self._looked = unsettled, True
            except OSError as error:
                self._looked = False
                self._warn_once(f"{self._folder} is not followed for now: {error}")
            else:
                self._trouble = {line for line in self._trouble if "for now" not in line}
            # A folder of a hundred thousand files is looked at less often: at most a tenth of the time. Telling takes
            # as long as there is to tell: to rest from it too would have ever more land meanwhile.
            self._closed.wait(max(LOOK_SECONDS, 9 * looked_seconds))

    def _look(self) -> tuple[list[str], dict[str, tuple[int, int]]]:
        """Files that hold still and are to be told of, and the sizes and times of those that may not."""
        still: list[str] = []
        unsettled: dict[str, tuple[int, int]] = {}
        for entry in self._files():
            if self._closed.is_set():
                break
            if entry.path in self._told:
                continue
            try:
                status = entry.stat()
                if self._leave_out(entry.path):
                    continue
            except FileNotFoundError:
                continue
            seen = (status.st_size, status.st_mtime_ns)
            if self._unsettled.get(entry.path) == seen or time.time() - status.st_mtime > STILL_SECONDS:
                still.append(entry.path)
            else:
                unsettled[entry.path] = seen
        return still, unsettled

    def _tell_of(self, paths: Sequence[str]) -> None:
        for path in paths:
            if self._closed.is_set():
                return
            self._tell(path)
            self._told.add(path)

    def _files(self) -> Iterator[os.DirEntry[str]]:
        """The files below the folder, by name, whatever vanishes meanwhile."""
        waiting = [str(self._folder)]
        while waiting:
            below = waiting.pop()
            try:
                with os.scandir(below) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                if below == str(self._folder):
                    raise
                if not isinstance(error, FileNotFoundError):
                    self._warn_once(f"{below} is left out: {error.strerror}")
                continue
            for entry in found:
                if entry.name.startswith("."):
                    continue
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif entry.is_file():
                        yield entry

    def _warn_once(self, line: str) -> None:
        if line not in self._trouble:
            self._trouble.add(line)
            _LOGGER.warning("%s", line)


class LeftOut:
    """Tells which files in the folder of images are none: the models, their signatures, and what this run writes.

    Args:
        models: their pattern.
        written: files, and folders of files.
    """

    def __init__(self, models: str, written: Sequence[str]) -> None:
        self._storage = LocalStorage()
        self._models = models
        self._written = {os.path.realpath(name) for name in written}

    def __call__(self, path: str) -> bool:
        real = Path(path).resolve()
        if str(real) in self._written or str(real.parent) in self._written:
            return True
        model = path.removesuffix(SIGNATURE_SUFFIX)
        return (
            "://" not in self._models
            and Path(model).exists()
            and any(Path(model).samefile(file.uri) for file in self._storage.list(self._models))
        )
