"""What the processes of a fleet gather of a trial, as objects of the registry: one for each process and step."""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from models.printable import json_text, logger
from models.reference import StatedTrial
from models.storage.objects import Found, ObjectStore

_LOGGER = logger(__name__)

_CLOCK = "clock.json"
_GATHERED = ".evidence"
_MOST_PROCESSES = 2000
"""Of a step, whose evidence is read: those of a fleet that was begun anew every hour for days."""
_FEW = 32
"""Objects, that are read one after the other."""
_SIDE_BY_SIDE = 8
"""Requests; Google's client keeps ten connections."""
_TRIES = 5
_LONGEST_NAME = 100
_NUMBERED = re.compile(r"(\d{1,16})-")
_MOST_REMEMBERED = 16
"""Objects of this process, whose versions it need not ask for."""


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
        self._versions: OrderedDict[str, str] = OrderedDict()

    def write(self, trial: StatedTrial, worker: str, data: bytes) -> None:
        """Keeps what a process has gathered of a step, in place of what it had gathered before.

        Args:
            trial: in that step.
            worker: names the process, and no other.
            data: see `models.trials.evidence.Evidence`.
        """
        worker = re.sub(r"[^A-Za-z0-9._-]+", "-", worker)[-_LONGEST_NAME:]
        name = f"{self._step(trial)}{worker}{_GATHERED}"
        version = self._objects.swap(name, data, self._versions.get(name))
        for _ in range(_TRIES):
            if version is not None:
                break
            # A process alone writes its own, so that another writer is itself, whose answer was lost.
            found = self._objects.read(name)
            version = self._objects.swap(name, data, found.version if found else None)
        self._remember(name, version)

    def read(self, trial: StatedTrial) -> list[bytes]:
        """What each process has gathered of a step, in an order that stays the same."""
        step = self._step(trial)
        names = sorted(name for name in self._objects.names(step) if name.endswith(_GATHERED))
        if len(names) > _MOST_PROCESSES:
            _LOGGER.warning(
                "%s/%s holds what %d processes have gathered, and that of %d is read",
                self._objects.address, step, len(names), _MOST_PROCESSES,
            )  # fmt: skip
        return [found.data for found in self._read_all(names[:_MOST_PROCESSES]) if found is not None]

    def seconds(self, trial: StatedTrial) -> float:
        """For how long a step has run, as far as anybody has written it down."""
        found = self._objects.read(self._clock(trial))
        written = _clock_from(found.data) if found else (0, 0.0)
        return written[1] if written[0] == trial.step else 0.0

    def keep_seconds(self, trial: StatedTrial, seconds: float) -> None:
        """Writes down for how long a step has run, unless somebody knows of a longer time or a later step."""
        name = self._clock(trial)
        for _ in range(_TRIES):
            found = self._objects.read(name)
            if found is not None and _clock_from(found.data) >= (trial.step, seconds):
                return
            data = json_text({"step": trial.step, "seconds": round(seconds, 3)}).encode()
            if self._objects.swap(name, data, found.version if found else None) is not None:
                return

    def forget_before(self, number: int) -> None:
        """Removes what was gathered of earlier trials."""
        for name in self._objects.names(self._folder):
            match = _NUMBERED.match(name[len(self._folder) :])
            if match and int(match[1]) < number and (found := self._objects.read(name)) is not None:
                self._objects.remove(name, found.version)

    def _trial(self, trial: StatedTrial) -> str:
        """A folder of a trial's own: where a registry has lost its pointer, numbers come again."""
        return f"{self._folder}{trial.number}-{trial.new.digest}/"

    def _step(self, trial: StatedTrial) -> str:
        return f"{self._trial(trial)}{trial.step}/"

    def _clock(self, trial: StatedTrial) -> str:
        return f"{self._trial(trial)}{_CLOCK}"

    def _remember(self, name: str, version: str | None) -> None:
        if version is None:
            self._versions.pop(name, None)
            return
        self._versions[name] = version
        while len(self._versions) > _MOST_REMEMBERED:
            self._versions.popitem(last=False)

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
