"""Which model of a pattern is live: one fact for all who read it, moved by comparing and swapping."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.events import worker_name
from models.printable import logger
from models.reference import ModelReference, Statement
from models.registry.records import Change, Pointer
from models.storage.errors import StorageUnavailable
from models.storage.objects import ObjectStore
from models.trials.policy import Policy, Undecided
from models.trials.terms import USUAL_LIMITS, Limits
from models.trials.trial import EndedTrial, Outcome, Trial

_LOGGER = logger(__name__)


class LivePointer:
    """A pattern's pointer as this process knows it, which never goes back to an earlier epoch.

    Where the registry loses it, or somebody writes nonsense or an older one in its place, whoever remembers more puts
    it right at its next look. Methods are one thread's, but for `remember` and `statement`.

    Args:
        objects: where the pointer is kept.
        name: of its object there.
        pattern: of the model files.

    Attributes:
        met_itself: whether the last look found what this process had written without an answer.
    """

    def __init__(self, objects: ObjectStore, name: str, pattern: str) -> None:
        self._objects = objects
        self._name = name
        self._pattern = pattern
        self._known: Pointer | None = None
        self._version: str | None = None
        self._lock = threading.Lock()
        self._remembered: Statement | None = None
        self._unanswered: bytes | None = None
        self.met_itself = False

    @property
    def statement(self) -> Statement | None:
        """What is live and what is tried, as far as is known."""
        known = self._known
        return None if known is None else known.statement

    @property
    def pointer(self) -> Pointer | None:
        """The pointer with its history, as far as is known."""
        return self._known

    def remember(self, statement: Statement) -> None:
        """Takes in what was stated elsewhere: no pointer of an earlier epoch is believed from now on."""
        with self._lock:
            if self._remembered is None or statement.epoch > self._remembered.epoch:
                self._remembered = statement

    def look(self, mend: bool = True) -> None:
        """Reads the pointer; puts it right where it is behind what is known, if it is to `mend` it.

        Raises:
            StorageUnavailable: the registry gave no answer; what is known stays.
        """
        found = self._objects.read(self._name)
        self._version = found.version if found else None
        pointer = self._decoded(found.data) if found else None
        self.met_itself = found is not None and found.data == self._unanswered
        self._unanswered = None
        if pointer is not None and pointer.epoch >= self._epoch():
            self._known = pointer
        elif mend and self._epoch():
            self._put_right(pointer)

    def move(self, reference: ModelReference, why: str) -> bool:
        """Has a model be live from now on, unless somebody else has moved the pointer since the last look.

        A trial ends with it: the new one is promoted if it is the one, else rolled back, and may be tried again.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        change = Change(self._epoch() + 1, reference, why)
        return self._write(self._known.moved(change) if self._known else Pointer.first(self._pattern, change))

    def begin(
        self,
        new: ModelReference,
        policy: Policy,
        limits: Limits = USUAL_LIMITS,
        undecided: Undecided = "roll_back",
        needs_labels: bool = False,
    ) -> bool:
        """Has a model be tried from now on; false where others were faster, one is tried, or nothing is live.

        Args:
            new: the model.
            policy, limits, undecided, needs_labels: as of a `Trial`.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        known = self._latest()
        if known is None or known.trial is not None:
            return False
        trial = Trial(known.epoch + 1, known.now.reference, new, policy, limits, undecided, needs_labels)
        return self._write(known.trying(trial))

    def advance(self) -> bool:
        """Has the trial go on to its next step; false where others were faster, or there is none.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        known = self._latest()
        if known is None or known.trial is None or known.trial.is_last_step:
            return False
        return self._write(known.trying(known.trial.advanced()))

    def end(
        self,
        outcome: Outcome,
        why: str,
        figures: Mapping[str, Any] | None = None,
        by: str | None = None,
        told: bool = False,
        again: bool = False,
    ) -> bool:
        """Ends the trial; false where others were faster, or there is none.

        Args:
            outcome: `promoted` has the new model be live from now on.
            why: in a few words.
            figures: the numbers behind the verdict, as JSON.
            by: who ends it; this process where None.
            told: whether its writer tells of it; else whoever watches does.
            again: whether a model that is rolled back may be tried once more.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        known = self._latest()
        if known is None or known.trial is None:
            return False
        verdict = EndedTrial(known.trial, outcome, why, by or worker_name(), figures or {}, told=told, again=again)
        return self._write(known.with_verdict(verdict))

    def mark_told(self, number: int) -> bool:
        """Notes that an event tells of a trial that is over; false where others were faster, or one told before.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        known = self._latest()
        if known is None or not any(each.trial.number == number and not each.told for each in known.ended):
            return False
        return self._write(known.noting_told(number))

    def try_again(self, sha256: str) -> bool:
        """Notes that a model that was rolled back may be tried once more; false where others were faster.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        known = self._latest()
        if known is None or sha256 not in known.refused:
            return known is not None
        return self._write(known.trying_again(sha256))

    def _latest(self) -> Pointer | None:
        """What is known, under the latest epoch that is."""
        return self._known and replace(self._known, epoch=self._epoch())

    def _epoch(self) -> int:
        """The latest that is known of; 0 where none is."""
        with self._lock:
            remembered = self._remembered.epoch if self._remembered else 0
        return max(remembered, self._known.epoch if self._known else 0)

    def _put_right(self, found: Pointer | None) -> None:
        """Writes what was stated last, under a later epoch than any; this look decides whether it still should be."""
        with self._lock:
            remembered = self._remembered
        known = [each for each in (self._known, found) if each is not None]
        base = max(known, key=lambda each: each.epoch, default=None)
        stated = [each for each in (base.statement if base else None, remembered) if each is not None]
        latest = max(stated, key=lambda each: each.epoch)
        _LOGGER.warning("%s/%s is behind what was stated, and is put right", self._objects.address, self._name)
        why = "put right: the registry had lost what was stated"
        change = Change(latest.epoch + 1, latest.reference, why)
        self._write(base.put_right(latest, why) if base else Pointer.first(self._pattern, change))

    def _write(self, pointer: Pointer) -> bool:
        data = pointer.encode()
        try:
            version = self._objects.swap(self._name, data, self._version)
        except StorageUnavailable:
            self._unanswered = data
            raise
        if version is None:
            return False
        self._known, self._version = pointer, version
        return True

    def _decoded(self, data: bytes) -> Pointer | None:
        try:
            return Pointer.decode(data, self._pattern)
        except ValueError as error:
            _LOGGER.warning("%s/%s cannot be understood: it %s", self._objects.address, self._name, error)
            return None
