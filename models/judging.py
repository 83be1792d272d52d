"""Comes to verdicts on the files of a catalogue: by vetting them here, or from the registry where others have."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from models.catalogue import Catalogue
from models.errors import KerasMissing, ModelRejected, VettingStopped
from models.events import EventLog, ModelEvent
from models.model_files import needs_keras
from models.printable import logger
from models.reference import file_name_of
from models.registry.records import Accepted, Judgement
from models.registry.registry import Registry
from models.storage import StoredFile, is_being_written
from models.storage.errors import StorageUnavailable
from models.vetting import Vetter

_LOGGER = logger(__name__)

VETTING_SIDE_BY_SIDE = 2
"""A candidate that hangs holds up the next by nothing."""
_MOST_DOUBLINGS = 3
"""Of the time until the next attempt at a file that could not be vetted."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What is known of a file, or why nothing is.

    Attributes:
        outcome: a verdict, or what kept this process from one.
        vetted_here: whether this process came to it, and has its claim.
    """

    file: StoredFile
    outcome: Judgement | Exception
    vetted_here: bool


class Judging:
    """The files of a catalogue that are being decided upon.

    Its methods are one thread's, but for vetting, which runs beside.

    Args:
        catalogue: takes the verdicts.
        registry: where verdicts are kept, and claims, by which one process vets a file.
        vetter: vets.
        events: where acceptances and rejections are told.
        poll_seconds: between two listings.
        tells_known: whether verdicts that others came to are told too.
        submit: has a function called beside, with its arguments.
        on_news: called, by any thread, when there is something to take in.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        registry: Registry,
        vetter: Vetter,
        events: EventLog,
        poll_seconds: float,
        tells_known: bool,
        submit: Callable[[Callable[[StoredFile], None], StoredFile], object],
        on_news: Callable[[], None],
    ) -> None:
        self._catalogue = catalogue
        self._registry = registry
        self._vetter = vetter
        self._events = events
        self._poll_seconds = poll_seconds
        self._tells_known = tells_known
        self._submit = submit
        self._on_news = on_news
        self._lock = threading.Lock()
        self._in_progress: dict[str, StoredFile] = {}
        self._elsewhere: set[str] = set()
        self._finished: list[Finished] = []
        self._held: list[tuple[float, Finished]] = []
        self._told: dict[str, tuple[str, str]] = {}
        self._failed: Counter[str] = Counter()
        self._being_written: set[str] = set()
        self._closed = False

    @property
    def under_way(self) -> bool:
        """Whether a file is being vetted, here or elsewhere."""
        return bool(self._in_progress or self._elsewhere)

    def next_change(self) -> float | None:
        """When a verdict that has to wait can be taken in; None where none waits."""
        return min((stands_at for stands_at, _ in self._held), default=None)

    def begin(self, now: float) -> None:
        """Has the files vetted that are worth it."""
        if settling := self._catalogue.settling(now):
            self._vetter.prepare(keras=any(needs_keras(file.uri) for file in settling))
        for file in self._catalogue.to_vet(now, self._in_progress):
            if self._catalogue.is_left(file):
                continue
            if self._closed or len(self._in_progress) - len(self._held) >= VETTING_SIDE_BY_SIDE:
                return
            if not file.finished and is_being_written(file.uri):
                if file.uri not in self._being_written:
                    _LOGGER.info("%s is open for writing and waits until it is closed", file.uri)
                self._being_written.add(file.uri)
                self._catalogue.postpone(file, now + self._poll_seconds)
                continue
            self._being_written.discard(file.uri)
            self._in_progress[file.uri] = file
            self._submit(self._vet, file)

    def finished(self) -> list[Finished]:
        """What can be taken in after the next listing: verdicts count for the file as that still shows it."""
        with self._lock:
            taken, self._finished = [each for _, each in self._held] + self._finished, []
        self._held = []
        return taken

    def put_back(self, finished: list[Finished]) -> None:
        """Keeps for later what could not be taken in."""
        with self._lock:
            self._finished[:0] = finished

    def take(self, finished: list[Finished], now: float) -> None:
        """Takes in what was found out; what the registry does not take is kept for later."""
        for each in finished:
            try:
                self._take(each, now)
            except StorageUnavailable as error:
                level = logging.DEBUG if self._failed[each.file.uri] else logging.WARNING
                _LOGGER.log(level, "the verdict on %s cannot be kept, trying again: %s", each.file.uri, error)
                self._failed[each.file.uri] += 1
                self.put_back([each])

    def take_known(self, now: float) -> None:
        """Takes in the verdicts that others have come to; a file whose verdict cannot be read waits for a while."""
        looked_at: set[str] = set()
        self._elsewhere &= {file.uri for file in self._catalogue.to_vet(now, ())}
        while files := [file for file in self._catalogue.to_vet(now, self._in_progress) if file.uri not in looked_at]:
            for file in files:
                looked_at.add(file.uri)
                try:
                    judgement = self._registry.judgement(file)
                except StorageUnavailable as error:
                    self._try_again(file, error, now)
                    continue
                if judgement is not None:
                    self._elsewhere.discard(file.uri)
                    self._in_progress[file.uri] = file
                    self._take(Finished(file, judgement, vetted_here=False), now)
                    break  # which others are worth a look depends on it

    def forget_the_gone(self) -> None:
        """Remembers nothing of files that are not listed any more."""
        listed = self._catalogue.listed()
        self._being_written &= set(listed)
        for memory in (self._told, self._failed):
            for uri in memory.keys() - listed:
                del memory[uri]

    def close(self) -> None:
        """Begins nothing more."""
        self._closed = True

    def _vet(self, file: StoredFile) -> None:
        started = time.monotonic()
        outcome: Judgement | Exception
        vetted_here = False
        try:
            if not self._registry.claim(file):
                self._elsewhere.add(file.uri)
                self._in_progress.pop(file.uri, None)
                return
            vetted_here = True
            known = self._registry.judgement(file)
            if known is not None:  # whoever had the claim before has come to a verdict
                self._registry.release(file)
                vetted_here = False
            outcome = known or self._vetted(file, started)
        except VettingStopped:
            return
        except Exception as error:  # told apart where it is taken in
            outcome = error
        self._elsewhere.discard(file.uri)
        with self._lock:
            self._finished.append(Finished(file, outcome, vetted_here))
        self._on_news()

    def _vetted(self, file: StoredFile, started: float) -> Judgement:
        verdict: Accepted | ModelRejected
        _LOGGER.info("vetting %s", file.uri)
        try:
            vetted = self._vetter.vet(file.uri)
            self._vetter.share(vetted)
            verdict = Accepted.of(vetted)
        except ModelRejected as rejection:
            verdict = rejection
        return Judgement(file.uri, file.version, verdict, time.monotonic() - started)

    def _take(self, each: Finished, now: float) -> None:
        file, outcome = each.file, each.outcome
        if isinstance(outcome, KerasMissing):
            self._leave(file, outcome)
        elif isinstance(outcome, Exception):
            self._try_again(file, outcome, now)
        elif (stands_at := self._catalogue.stands_at(file, outcome.verdict)) > now:
            self._held.append((stands_at, each))
            return
        elif self._catalogue.is_current(file):
            judgement = self._registry.record(file, outcome) if each.vetted_here else outcome
            self._catalogue.record(file, judgement.verdict, now)
            self._failed.pop(file.uri, None)
            if each.vetted_here or self._tells_known:
                self._tell(file, judgement)
        self._in_progress.pop(file.uri, None)
        if each.vetted_here:
            self._registry.release(file)

    def _try_again(self, file: StoredFile, error: Exception, now: float) -> None:
        repeated = isinstance(error, FileNotFoundError) or file.uri in self._failed
        level = logging.DEBUG if repeated else logging.WARNING
        _LOGGER.log(level, "%s could not be vetted, trying again: %s", file.uri, error)
        self._failed[file.uri] += 1
        doublings = min(self._failed[file.uri], _MOST_DOUBLINGS)
        self._catalogue.postpone(file, now + self._poll_seconds * 2**doublings)

    def _leave(self, file: StoredFile, why: KerasMissing) -> None:
        """Leaves a file to others, whose verdict is looked for from now on."""
        if self._catalogue.leave(file):
            _LOGGER.warning("%s is left to others: %s", file.uri, why)

    def _tell(self, file: StoredFile, judgement: Judgement) -> None:
        event = _event_of(file, judgement)
        rejection = judgement.verdict if isinstance(judgement.verdict, ModelRejected) else None
        # A touched file is vetted again, but its bytes' verdict is no news. What was never read whole is told apart
        # by its size.
        never_read_whole = rejection is not None and rejection.model_id is None
        word = rejection.fault if rejection else ""  # a signature may come, or go
        key = (event.event, f"{event.reason} {file.size}" if never_read_whole else f"{event.model_id} {word}")
        if self._told.get(file.uri) == key:
            return
        self._told[file.uri] = key
        level = logging.WARNING if rejection else logging.INFO
        _LOGGER.log(level, "model %s: %s (%s)", event.event, event.model_id, event.reason)
        self._events.add(event)


def _event_of(file: StoredFile, judgement: Judgement) -> ModelEvent:
    match judgement.verdict:
        case Accepted(reference, name, reason):
            return ModelEvent("accepted", reference.model_id, name, reason, judgement.seconds)
        case rejection:
            model_id = rejection.model_id or file.uri
            return ModelEvent("rejected", model_id, file_name_of(file.uri), str(rejection), judgement.seconds)
