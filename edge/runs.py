"""What `hotswap-edge run` tells the agent of the folder that it runs a component of: small files in `runs/`.

Two a process: `NAME.lock`, which it holds locked as long as it lives, however it ends, and `NAME.json`, in which each
state takes the place of the one before by a rename. Both are gone after a clean end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import re
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from edge.trials import Moment, SeenRun
from models.errors import one_line
from models.storage.local import read_start
from models.storage.local_writing import write_locally

Value = TypeVar("Value")

RUNS, STATE_FILE = "runs", "state.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCK, _SAID = ".lock", ".json"
_NAME = re.compile(r"[0-9]+-[0-9]+")
"""Of a process here: its number, and when it began."""
_MOST_BYTES = 1 << 16
_LONGEST_REASON = 500
MOST_IMAGES = 1000
"""That are counted of a component: what the first ones say of it, the others would not change."""
_WRITTEN_SECONDS = 1.0
"""Between two writings of what changes with each image."""
_MOST_COMPONENTS = 8
"""That are told of, the latest ones: a process may see thousands, and the agent reads so many bytes."""


def now() -> Moment:
    """This boot of the machine, and the seconds of it."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:  # where there is no /proc: then a boot cannot be told from the next
        boot = "unknown"
    return Moment(boot, time.monotonic())


def folder_of_agent(component: Path) -> Path | None:
    """Of the agent that keeps this link, `DIR/current` or `DIR/NAME/current`; None where none does."""
    place = component.absolute().parent
    return next((each for each in (place, place.parent) if (each / STATE_FILE).is_file()), None)


class _Images:
    """Images that a component was asked for, by numbers of their own.

    Attributes:
        answered: those that it answered to.
        failed: those that it did not.
    """

    def __init__(self) -> None:
        self.answered: set[int] = set()
        self.failed: set[int] = set()


class RunNotes:
    """Tells an agent what becomes of components here, where there is one; that it cannot be told harms nobody.

    Threads may tell it side by side.

    Args:
        component: the path that is followed. An agent may come later.
        tell: is given a line where the agent cannot be told.
    """

    def __init__(self, component: Path, tell: Callable[[str], None]) -> None:
        self._component = component
        self._tell = tell
        self._name = f"{os.getpid()}-{time.monotonic_ns()}"
        self._boot = now().boot
        self._manifest = ""
        self._answered: dict[str, None] = {}
        self._quarantined: dict[str, str] = {}
        self._images: dict[str, _Images] = {}
        self._is_unwritten = False
        self._written_at = -math.inf
        self._lock: int | None = None
        self._folder: Path | None = None
        self._has_told = False
        self._alone = threading.Lock()

    def runs(self, manifest: str) -> None:
        """A component was taken, and will answer; one that failed before is tried anew.

        Args:
            manifest: SHA-256 of its manifest.
        """
        with self._alone:
            if manifest != self._manifest or manifest in self._quarantined:
                self._manifest = manifest
                self._quarantined.pop(manifest, None)
                self._write()

    def answered(self, manifest: str, image: Hashable = None) -> None:
        """One has answered to an image.

        Args:
            manifest: SHA-256 of its manifest.
            image: another for each image; one that is asked again and again counts once.
        """
        with self._alone:
            self._count(manifest, image, lambda images: images.answered)
            if manifest not in self._answered:
                _add(self._answered, manifest, None)
                self._write()

    def failed(self, manifest: str, image: Hashable) -> None:
        """One has not answered to an image, and by no fault of the image's file; as `answered`."""
        with self._alone:
            self._count(manifest, image, lambda images: images.failed)

    def flush(self) -> None:
        """Writes what was left for later, unless that is too early."""
        with self._alone:
            if self._is_unwritten and time.monotonic() >= self._written_at + _WRITTEN_SECONDS:
                self._write()

    def quarantined(self, manifest: str, reason: str) -> None:
        """One fails on its own probe image."""
        with self._alone:
            _add(self._quarantined, manifest, reason[:_LONGEST_REASON])
            self._write()

    def close(self) -> None:
        """A clean end: nothing is left but what failed, for an agent that has not looked yet."""
        with self._alone:
            if self._folder is None or self._lock is None:
                return
            if self._quarantined or any(images.failed for images in self._images.values()):
                self._manifest = ""
                self._write()
            else:
                forget_runs(self._folder, [self._name])
            os.close(self._lock)
            self._lock = self._folder = None

    def _count(self, manifest: str, image: Hashable, kind: Callable[[_Images], set[int]]) -> None:
        images = self._images.get(manifest, _Images())
        _add(self._images, manifest, images)
        if len(images.answered) + len(images.failed) < MOST_IMAGES and (number := hash(image)) not in kind(images):
            kind(images).add(number)
            self._is_unwritten = True

    def _write(self) -> None:
        self._is_unwritten, self._written_at = False, time.monotonic()
        said = {
            "boot": self._boot,
            "manifest": self._manifest,
            "answered": list(self._answered),
            "quarantined": self._quarantined,
            "images": {each: [len(images.answered), len(images.failed)] for each, images in self._images.items()},
        }
        try:
            if (folder := self._begun()) is not None:
                write_locally(json.dumps(said).encode(), str(folder / f"{self._name}{_SAID}"))
        except OSError as error:
            if not self._has_told:
                self._has_told = True
                self._tell(f"the agent cannot be told how the component does: {error}")

    def _begun(self) -> Path | None:
        """The folder to write in, once this process holds its lock there."""
        if self._folder is not None and not (self._folder / f"{self._name}{_LOCK}").exists():  # somebody removed it
            assert self._lock is not None
            os.close(self._lock)
            self._lock = self._folder = None
        if self._folder is None and (agents := folder_of_agent(self._component)) is not None:
            folder = agents / RUNS
            folder.mkdir(exist_ok=True)
            hidden, name = folder / f".{self._name}{_LOCK}", folder / f"{self._name}{_LOCK}"
            self._lock = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            hidden.rename(name)  # held from its first moment on
            self._folder = folder
        return self._folder


def _add(told: dict[str, Value], manifest: str, value: Value) -> None:
    """Has one be the latest of those that are told of."""
    told.pop(manifest, None)
    told[manifest] = value
    for oldest in list(told)[:-_MOST_COMPONENTS]:
        del told[oldest]


def read_runs(folder: Path) -> list[SeenRun]:
    """What the processes in a folder `runs/` say, whether they live or died; nothing where there is no such folder."""
    try:
        names = sorted(path.stem for path in folder.iterdir() if path.suffix == _LOCK and _NAME.fullmatch(path.stem))
    except OSError:
        return []
    return [run for name in names if (run := _read(folder, name)) is not None]


def forget_runs(folder: Path, names: Iterable[str]) -> None:
    """Removes what processes said that are no more."""
    for name in names:
        with contextlib.suppress(OSError):
            for path in (folder / f"{name}{_SAID}", *folder.glob(f".{name}.*"), folder / f"{name}{_LOCK}"):
                path.unlink(missing_ok=True)


def _read(folder: Path, name: str) -> SeenRun | None:
    alive = _is_held(folder / f"{name}{_LOCK}")
    if alive is None:
        return None
    try:
        said = json.loads(read_start(folder / f"{name}{_SAID}", _MOST_BYTES))
        quarantined = tuple((str(each), one_line(why, _LONGEST_REASON)) for each, why in said["quarantined"].items())
        answered = frozenset(map(str, said["answered"]))
        return SeenRun(name, str(said["boot"]), alive, str(said["manifest"]), answered, quarantined, _images(said))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return SeenRun(name, "", alive, "")  # it has said nothing yet, or nothing that can be read


def _images(said: dict[str, Any]) -> tuple[tuple[str, int, int], ...]:
    """What was counted; programs of before did not."""
    counted = [(each, int(answered), int(failed)) for each, (answered, failed) in dict(said.get("images", {})).items()]
    return tuple((str(each), *_within(answered, failed)) for each, answered, failed in counted)


def _within(answered: int, failed: int) -> tuple[int, int]:
    return max(0, min(answered, MOST_IMAGES)), max(0, min(failed, MOST_IMAGES))


def _is_held(lock: Path) -> bool | None:
    """Whether a living process holds a lock; None where that is gone, after a clean end."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return True  # nobody knows, and nobody is condemned for that
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
