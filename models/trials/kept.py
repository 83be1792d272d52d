"""What the processes of a fleet gather of a trial, as objects of the registry: one for each process and trial."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from models.printable import json_text
from models.storage.objects import Found, ObjectStore

_CLOCK = "clock.json"
_GATHERED = ".evidence"
_MOST_PROCESSES = 2000
"""Of a trial, whose evidence is read: those of a fleet that was begun anew every hour for days."""
_FEW = 32
"""Objects, that are read one after the other."""
_SIDE_BY_SIDE = 8
"""Requests; Google's client keeps ten connections."""
_TRIES = 5
_LONGEST_NAME = 100
_NUMBERED = re.compile(r"(\d{1,16})/")


class KeptTrials:
    """The evidence of a pattern's trials, and how long they have run.

    Every method raises `StorageUnavailable` where the registry gives no answer. Any thread may call them.

    Args:
        objects: the registry's.
        folder: below which they lie, which ends with a slash.
    """

    def __init__(self, objects: ObjectStore, folder: str) -> None:
        self._objects = objects
        self._folder = folder

    def write(self, number: int, worker: str, data: bytes) -> None:
        """Keeps what a process has gathered, in place of what it had gathered before.

        Args:
            number: of the trial.
            worker: names the process, and no other.
            data: see `models.trials.evidence.Evidence`.
        """
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", worker)[-_LONGEST_NAME:]
        self._replace(f"{self._folder}{number}/{name}{_GATHERED}", data)

    def read(self, number: int) -> list[bytes]:
        """What each process has gathered, in an order that stays the same."""
        names = sorted(name for name in self._objects.names(f"{self._folder}{number}/") if name.endswith(_GATHERED))
        return [found.data for found in self._read_all(names[:_MOST_PROCESSES]) if found is not None]

    def seconds(self, number: int, step: int) -> float:
        """For how long a step has run, as far as anybody has written it down."""
        found = self._objects.read(self._clock(number))
        written = _clock_from(found.data) if found else (0, 0.0)
        return written[1] if written[0] == step else 0.0

    def keep_seconds(self, number: int, step: int, seconds: float) -> None:
        """Writes down for how long a step has run, unless somebody knows of a longer time or a later step."""
        name = self._clock(number)
        for _ in range(_TRIES):
            found = self._objects.read(name)
            if found is not None and _clock_from(found.data) >= (step, seconds):
                return
            data = json_text({"step": step, "seconds": round(seconds, 3)}).encode()
            if self._objects.swap(name, data, found.version if found else None) is not None:
                return

    def forget_before(self, number: int) -> None:
        """Removes what was gathered of earlier trials."""
        for name in self._objects.names(self._folder):
            match = _NUMBERED.match(name[len(self._folder) :])
            if match and int(match[1]) < number and (found := self._objects.read(name)) is not None:
                self._objects.remove(name, found.version)

    def _clock(self, number: int) -> str:
        return f"{self._folder}{number}/{_CLOCK}"

    def _replace(self, name: str, data: bytes) -> None:
        """A process alone writes its own, so that another writer is itself, whose answer was lost."""
        for _ in range(_TRIES):
            found = self._objects.read(name)
            if self._objects.swap(name, data, found.version if found else None) is not None:
                return

    def _read_all(self, names: list[str]) -> Iterable[Found | None]:
        if len(names) <= _FEW:
            return [self._objects.read(name) for name in names]
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="registry") as pool:
            return list(pool.map(self._objects.read, names))


def _clock_from(data: bytes) -> tuple[int, float]:
    """The step and its seconds; those of none where somebody wrote nonsense."""
    try:
        value = json.loads(data)
        step, seconds = int(value["step"]), float(value["seconds"])
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
        return (0, 0.0)
    return (step, seconds) if step >= 0 and math.isfinite(seconds) else (0, 0.0)
