"""What a process knows of the trial under way, and how it gets to the registry."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from typing import Protocol

from models.errors import one_line
from models.events import worker_name
from models.printable import logger
from models.reference import StatedTrial
from models.trials.ahead import Ahead
from models.trials.evidence import Evidence, encoded
from models.trials.matching import Matching
from models.troubles import Troubles

_LOGGER = logger(__name__)

WRITE_SECONDS = 2.0
"""Between two writings, while there is something new."""
_LONGEST_CLOSE_SECONDS = 10.0
_LEFT_OVER = 4
"""Steps of trials whose evidence is kept while the registry cannot be written."""


class _Gathered:
    """Of one step of a trial."""

    def __init__(self, trial: StatedTrial) -> None:
        self.trial = trial
        self.evidence = Evidence()
        self.matching = Matching()
        self.is_new = False


class WritesTrials(Protocol):
    """Where evidence is kept, see `models.trials.kept.KeptTrials`."""

    def write(self, trial: StatedTrial, worker: str, data: bytes) -> None:
        """Keeps what a worker has gathered of a step of a trial, in place of what it wrote before.

        Raises:
            StorageUnavailable: it could not be kept.
        """
        ...


class Gathering:
    """The evidence of one process, of one step of a trial at a time. Threads may note side by side.

    Steps have other shares, and a stream changes with time: both together would compare the models by unlike images.

    A registry that gives no answer is tried again; what was gathered stays here meanwhile. What was noted and not yet
    written is lost with a process that dies, two seconds' worth at most.

    Args:
        kept: where evidence is written.
        write_seconds: between two writings.

    Attributes:
        worker: under which name it writes; no two have the same, though process ids come back.
        ahead: the calls of models on trial that are begun before another one is asked.
    """

    def __init__(self, kept: WritesTrials, write_seconds: float = WRITE_SECONDS) -> None:
        self.ahead = Ahead()
        self._kept = kept
        self._write_seconds = write_seconds
        self.worker = f"{worker_name()}-{secrets.token_hex(4)}"
        self._changed = threading.Condition()
        self._trial: StatedTrial | None = None
        self._gathered: dict[tuple[int, int], _Gathered] = {}
        self._troubles = Troubles(_LOGGER.warning)
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def trial(self) -> StatedTrial | None:
        """The trial under way; None while there is none."""
        return self._trial

    def follow(self, trial: StatedTrial | None) -> None:
        """Takes in which trial is under way; returns at once. What was seen of the one before is written once more."""
        with self._changed:
            if trial == self._trial or self._closed:
                return
            before, self._trial = self._trial, trial
            if trial is not None and _key(trial) not in self._gathered:
                self._gathered[_key(trial)] = self._begun(trial, before)
            self._changed.notify_all()
            if self._thread is None and trial is not None:
                self._thread = threading.Thread(target=self._run, name="evidence of trials", daemon=True)
                self._thread.start()

    @contextlib.contextmanager
    def noting(self, trial: StatedTrial) -> Iterator[Evidence]:
        """The evidence of a trial, this thread's alone meanwhile; nobody keeps it where that is not under way."""
        with self._changed:
            is_under_way = self._trial is not None and _key(self._trial) == _key(trial)
            if not is_under_way or self._closed:
                yield Evidence()
                return
            gathered = self._gathered[_key(trial)]
            if not gathered.is_new:
                gathered.is_new = True
                self._changed.notify_all()
            yield gathered.evidence

    def matching(self, trial: StatedTrial) -> Matching | None:
        """In which batches both models are timed; None where nobody knows of that trial, and all evidence is lost."""
        with self._changed:
            gathered = self._gathered.get(_key(trial))
            return gathered.matching if gathered is not None else None

    def unfit(self, trial: StatedTrial, why: str) -> None:
        """Notes that the new model fails on its own probe image in this process, whatever step the trial is in."""
        with self.noting(self._as_it_is_now(trial)) as evidence:
            evidence.unfit(why)

    def not_loaded(self, trial: StatedTrial, why: str) -> None:
        """Notes that this process cannot load the new model, whatever step the trial is in."""
        with self.noting(self._as_it_is_now(trial)) as evidence:
            evidence.not_loaded(why)

    def close(self) -> None:
        """Writes once more, and gathers nothing after."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_LONGEST_CLOSE_SECONDS)

    def _begun(self, trial: StatedTrial, before: StatedTrial | None) -> _Gathered:
        """What is known of a step that begins: what keeps this process from trying the model at all goes on."""
        begun = _Gathered(trial)
        if before is not None and before.number == trial.number:
            known, evidence = self._gathered[_key(before)].evidence, begun.evidence
            evidence.unfit_because.merge(known.unfit_because)
            evidence.not_loaded_because.merge(known.not_loaded_because)
            begun.is_new = bool(evidence.unfit_because.total or evidence.not_loaded_because.total)
        return begun

    def _as_it_is_now(self, trial: StatedTrial) -> StatedTrial:
        now = self._trial
        return now if now is not None and now.number == trial.number else trial

    def _run(self) -> None:
        """Writes what is new, every few seconds and at the end."""
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._new())
                self._changed.wait_for(self._should_write_now, self._write_seconds)
                is_last = self._closed
            if not self._write() and not is_last:
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, self._write_seconds)

    def _new(self) -> list[tuple[int, int]]:
        """Steps of trials of which something has yet to be written, the oldest first."""
        return sorted(key for key, gathered in self._gathered.items() if gathered.is_new)

    def _should_write_now(self) -> bool:
        """Whether nothing more will come of what is to be written."""
        under_way = _key(self._trial) if self._trial is not None else None
        return self._closed or any(key != under_way for key in self._new())

    def _write(self) -> bool:
        """Whether all is written."""
        with self._changed:
            due = [(gathered, gathered.evidence.to_json()) for gathered in map(self._gathered.__getitem__, self._new())]
            for gathered, _ in due:
                gathered.is_new = False
        is_written = True
        for gathered, told in due:
            try:
                self._kept.write(gathered.trial, self.worker, encoded(told))  # no batch waits for so much text
            except Exception as error:  # whatever it is, it may pass; nothing that was gathered may be lost by it
                is_written = False
                self._troubles.begin(
                    "write", f"what was seen of a trial is not written yet, and kept: {one_line(error)}"
                )
                with self._changed:
                    gathered.is_new = True
        if is_written:
            self._troubles.end("write")
        with self._changed:
            self._forget()
        return is_written

    def _forget(self) -> None:
        """Lets go of trials that have ended and are written, and of the oldest where the registry is gone for long."""
        new = self._new()
        under_way = {_key(self._trial)} if self._trial is not None else set()
        kept = {*new[-_LEFT_OVER:], *under_way}
        self._gathered = {key: gathered for key, gathered in self._gathered.items() if key in kept}


def _key(trial: StatedTrial) -> tuple[int, int]:
    return trial.number, trial.step
