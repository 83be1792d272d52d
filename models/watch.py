"""Watches a pattern of model files from a thread of its own, and states which of them should be live."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from models.catalogue import Catalogue, Verdict
from models.errors import ModelRejected, VettingStopped
from models.events import EventLog, ModelEvent
from models.model_files import needs_keras
from models.printable import logger
from models.reference import Statement, file_name_of
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile, is_being_written
from models.vetting import Vetter

_LOGGER = logger(__name__)

VETTING_SIDE_BY_SIDE = 2
"""A candidate that hangs holds up the next by nothing."""
_MOST_DOUBLINGS = 3
"""Of the time until the next attempt, while the storage fails."""
_REMIND_SECONDS = 30.0
SHORTEST_REST = 0.02


class _Finished(NamedTuple):
    file: StoredFile
    outcome: Verdict | Exception
    seconds: float


class ModelWatch:
    """Lists a pattern every few seconds, has new files vetted, and states the newest valid one.

    Nobody waits for it: `statement` is always the latest finished thought. Storage trouble changes nothing.

    Args:
        pattern: of the model files.
        storage: lists them.
        vetter: vets them.
        events: where acceptances and rejections are told.
        poll_seconds: between two listings.
        clock: wall-clock seconds; the clock of the files' modification times.
        signed: whether a verdict depends on a file's signature too.
    """

    def __init__(
        self,
        pattern: str,
        storage: Storage,
        vetter: Vetter,
        events: EventLog,
        poll_seconds: float,
        clock: Callable[[], float] = time.time,
        signed: bool = False,
    ) -> None:
        self._pattern = pattern
        self._storage = storage
        self._vetter = vetter
        self._events = events
        self._poll_seconds = poll_seconds
        self._signed = signed
        self._clock = clock
        self._catalogue = Catalogue()
        self._in_progress: dict[str, StoredFile] = {}
        self._told: dict[str, tuple[str, str]] = {}
        self._finished: list[_Finished] = []
        self._held: list[tuple[float, _Finished]] = []
        self._failed: Counter[str] = Counter()
        self._being_written: set[str] = set()
        self._changed = threading.Condition()
        self._news = False
        self._closed = False
        self._failures = 0
        self._reminded = 0.0
        self._pool = ThreadPoolExecutor(VETTING_SIDE_BY_SIDE, thread_name_prefix="vetting")
        self._thread = threading.Thread(target=self._run, name=f"watch {pattern}", daemon=True)
        self._thread.start()

    @property
    def statement(self) -> Statement | None:
        """The newest valid model; None before there is one."""
        return self._catalogue.statement

    def wait_for_statement(self) -> Statement | None:
        """The newest valid model, as soon as there is one; None if the watch is closed first."""
        with self._changed:
            self._changed.wait_for(lambda: self._catalogue.statement or self._closed)
            return self._catalogue.statement

    def stop_waiting(self) -> None:
        """Begins to close: who waits for a statement is let go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stops watching and vetting."""
        self.stop_waiting()
        self._vetter.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            now = time.monotonic()
            try:
                self._look()
                if not self._failures:
                    self._start_vetting()
                self._vetter.tidy()
            except Exception:
                _LOGGER.exception("watching %s: going on after an unexpected error", self._pattern)
            self._rest(now + self._poll_seconds * 2 ** min(self._failures, _MOST_DOUBLINGS))

    def _rest(self, next_poll: float) -> None:
        """Until the next poll; while the storage answers, also until a verdict, or until time alone changes things."""
        with self._changed:
            while not self._closed and (pause := next_poll - time.monotonic()) > 0:
                if not self._failures:
                    if self._news:
                        break
                    now = self._clock()
                    if (change := self._next_change(now)) is not None:
                        pause = min(pause, change - now)
                if not self._changed.wait(max(SHORTEST_REST, pause)):
                    break
            self._news = False

    def _next_change(self, now: float) -> float | None:
        changes = [stands_at for stands_at, _ in self._held]
        if (change := self._catalogue.next_change(now)) is not None:
            changes.append(change)
        return min(changes, default=None)

    def _look(self) -> None:
        """One listing, and what follows from it and from the verdicts since the last."""
        try:
            files = list_models(self._storage, self._pattern, self._signed)
        except Exception as error:  # whatever a storage raises, nothing is known about the files
            if not self._failures:
                _LOGGER.warning("%s cannot be listed, the model stays as it is: %s", self._pattern, error)
            self._failures += 1
            return
        if self._failures:
            _LOGGER.info("%s can be listed again", self._pattern)
            self._failures = 0
        self._remind_if_empty(files)
        self._catalogue.observe(files, self._clock())
        self._take_verdicts()
        self._forget_the_gone()
        before = self._catalogue.statement
        with self._changed:
            stated = self._catalogue.decide(self._clock())
            self._changed.notify_all()
        if stated is not None and stated is not before:
            _LOGGER.info("newest valid model: %s", stated.reference.model_id)

    def _remind_if_empty(self, files: list[StoredFile]) -> None:
        now = time.monotonic()
        if files:
            self._reminded = 0.0
        elif now - self._reminded >= _REMIND_SECONDS and (self.statement is None or not self._reminded):
            self._reminded = now
            waiting = "waiting for one" if self.statement is None else "the live model stays"
            _LOGGER.warning("no model file matches %s; %s", self._pattern, waiting)

    def _start_vetting(self) -> None:
        now = self._clock()
        if settling := self._catalogue.settling(now):
            self._vetter.prepare(keras=any(needs_keras(file.uri) for file in settling))
        for file in self._catalogue.to_vet(now, self._in_progress):
            if len(self._in_progress) - len(self._held) >= VETTING_SIDE_BY_SIDE:
                return
            if not file.finished and is_being_written(file.uri):
                if file.uri not in self._being_written:
                    _LOGGER.info("%s is open for writing and waits until it is closed", file.uri)
                self._being_written.add(file.uri)
                self._catalogue.postpone(file, now + self._poll_seconds)
                continue
            self._being_written.discard(file.uri)
            self._in_progress[file.uri] = file
            self._pool.submit(self._vet, file)

    def _vet(self, file: StoredFile) -> None:
        started = time.monotonic()
        outcome: Verdict | Exception
        try:
            outcome = self._vetter.vet(file.uri)
        except VettingStopped:
            return
        except Exception as error:  # told apart where it is taken in
            outcome = error
        with self._changed:
            self._finished.append(_Finished(file, outcome, time.monotonic() - started))
            self._news = True
            self._changed.notify_all()

    def _take_verdicts(self) -> None:
        with self._changed:
            finished, self._finished = [each for _, each in self._held] + self._finished, []
        self._held = []
        now = self._clock()
        for each in finished:
            file, outcome, seconds = each
            if isinstance(outcome, Exception) and not isinstance(outcome, ModelRejected):
                self._try_again(file, outcome, now)
            elif (stands_at := self._catalogue.stands_at(file, outcome)) > now:
                self._held.append((stands_at, each))
                continue
            elif self._catalogue.record(file, outcome, now):
                self._failed.pop(file.uri, None)
                self._tell(file, outcome, seconds)
            self._in_progress.pop(file.uri, None)

    def _try_again(self, file: StoredFile, error: Exception, now: float) -> None:
        repeated = isinstance(error, FileNotFoundError) or file.uri in self._failed
        level = logging.DEBUG if repeated else logging.WARNING
        _LOGGER.log(level, "%s could not be vetted, trying again: %s", file.uri, error)
        self._failed[file.uri] += 1
        doublings = min(self._failed[file.uri], _MOST_DOUBLINGS)
        self._catalogue.postpone(file, now + self._poll_seconds * 2**doublings)

    def _forget_the_gone(self) -> None:
        listed = self._catalogue.listed()
        self._being_written &= set(listed)
        for memory in (self._told, self._failed):
            for uri in memory.keys() - listed:
                del memory[uri]

    def _tell(self, file: StoredFile, verdict: Verdict, seconds: float) -> None:
        if isinstance(verdict, ModelRejected):
            model_id = verdict.model_id or file.uri
            name = file_name_of(file.uri)
            event = ModelEvent("rejected", model_id, name, str(verdict), seconds)
        else:
            model_id = verdict.reference.model_id
            reason = verdict.artefact.manifest.engine_reason
            reason += f"; signed by {verdict.signed_by}" if verdict.signed_by else ""
            event = ModelEvent("accepted", model_id, verdict.name, reason, seconds)
        # A touched file is vetted again, but its bytes' verdict is no news. What was never read whole is told apart
        # by its size.
        never_read_whole = isinstance(verdict, ModelRejected) and verdict.model_id is None
        word = verdict.fault if isinstance(verdict, ModelRejected) else ""  # a signature may come, or go
        key = (event.event, f"{event.reason} {file.size}" if never_read_whole else f"{model_id} {word}")
        if self._told.get(file.uri) == key:
            return
        self._told[file.uri] = key
        level = logging.WARNING if event.event == "rejected" else logging.INFO
        _LOGGER.log(level, "model %s: %s (%s)", event.event, model_id, event.reason)
        self._events.add(event)
