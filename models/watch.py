"""Watches a pattern of model files from a thread of its own, and states which of them should be live."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from models.catalogue import Catalogue, Verdict
from models.errors import ModelRejected, StorageUnavailable
from models.events import EventLog, ModelEvent
from models.reference import ModelReference, Statement
from models.storage import Storage, StoredFile, is_being_written
from models.vetting import Vetter
from models.vetting.child_process import VettingStopped

_LOGGER = logging.getLogger(__name__)

VETTING_SIDE_BY_SIDE = 2
"""A candidate that hangs holds up the next by nothing."""
_LONGEST_BACK_OFF = 8
_REMIND_SECONDS = 30.0


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
    """

    def __init__(
        self,
        pattern: str,
        storage: Storage,
        vetter: Vetter,
        events: EventLog,
        poll_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pattern = pattern
        self._storage = storage
        self._vetter = vetter
        self._events = events
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._catalogue = Catalogue()
        self._in_progress: dict[str, StoredFile] = {}
        self._told: set[tuple[str, str]] = set()
        self._finished: list[tuple[StoredFile, Verdict | Exception, float]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._trouble: str | None = None
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
        next_poll = 0.0
        while not self._closed:
            try:
                now = time.monotonic()
                if now >= next_poll or self._finished or self._settled():
                    listed = self._look()
                    back_off = min(2**self._failures, _LONGEST_BACK_OFF)
                    next_poll = now + self._poll_seconds * (1 if listed else back_off)
                self._start_vetting()
                self._vetter.tidy()
            except Exception:
                _LOGGER.exception("watching %s: going on after an unexpected error", self._pattern)
                next_poll = time.monotonic() + self._poll_seconds
            self._rest(next_poll)

    def _rest(self, next_poll: float) -> None:
        pause = next_poll - time.monotonic()
        ready = self._catalogue.next_ready(self._clock())
        if ready is not None:
            pause = min(pause, ready - self._clock())
        with self._changed:
            if not self._finished and not self._closed:
                self._changed.wait(max(0.02, pause))

    def _settled(self) -> bool:
        return bool(self._catalogue.to_vet(self._clock(), self._in_progress))

    def _look(self) -> bool:
        """One listing, and what follows from it and from the verdicts since the last; False on storage trouble."""
        try:
            files = self._storage.list(self._pattern)
        except StorageUnavailable as error:
            self._failures += 1
            if self._trouble is None:
                _LOGGER.warning("%s cannot be listed, the model stays as it is: %s", self._pattern, error)
            self._trouble = str(error)
            return False
        if self._trouble is not None:
            _LOGGER.info("%s can be listed again", self._pattern)
            self._trouble, self._failures = None, 0
        self._remind_if_empty(files)
        self._catalogue.observe(files, self._clock())
        self._take_verdicts()
        before = self._catalogue.statement
        with self._changed:
            stated = self._catalogue.state(self._clock())
            self._changed.notify_all()
        if stated is not None and stated is not before:
            _LOGGER.info("newest valid model: %s", stated.reference.model_id)
        return True

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
        if self._catalogue.next_ready(now) is not None:
            self._vetter.prepare(keras=not self._pattern.endswith(".onnx"))
        for file in self._catalogue.to_vet(now, self._in_progress):
            if len(self._in_progress) >= VETTING_SIDE_BY_SIDE:
                return
            if not file.finished and is_being_written(file.uri):
                self._catalogue.postpone(file, now + self._poll_seconds)
                continue
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
            self._finished.append((file, outcome, time.monotonic() - started))
            self._changed.notify_all()

    def _take_verdicts(self) -> None:
        with self._changed:
            finished, self._finished = self._finished, []
        now = self._clock()
        for file, outcome, seconds in finished:
            self._in_progress.pop(file.uri, None)
            if isinstance(outcome, Exception) and not isinstance(outcome, ModelRejected):
                level = logging.DEBUG if isinstance(outcome, FileNotFoundError) else logging.WARNING
                _LOGGER.log(level, "%s could not be vetted, trying again: %s", file.uri, outcome)
                self._catalogue.postpone(file, now + _LONGEST_BACK_OFF * self._poll_seconds)
            elif self._catalogue.record(file, outcome, now):
                self._tell(file, outcome, seconds)

    def _tell(self, file: StoredFile, verdict: Verdict, seconds: float) -> None:
        if isinstance(verdict, ModelRejected):
            model_id = verdict.model_id or file.uri
            name = ModelReference(file.uri, "").file_name
            event = ModelEvent("rejected", model_id, name, str(verdict), seconds)
        else:
            model_id = verdict.reference.model_id
            reason = verdict.artefact.manifest.engine_reason
            event = ModelEvent("accepted", model_id, verdict.name, reason, seconds)
        # A touched file is vetted again, but its bytes' verdict is no news. What was never read whole is told apart
        # by version.
        key = (event.event, model_id if "@sha256:" in model_id else f"{model_id} {file.version}")
        if key in self._told:
            return
        self._told.add(key)
        level = logging.WARNING if event.event == "rejected" else logging.INFO
        _LOGGER.log(level, "model %s: %s (%s)", event.event, model_id, event.reason)
        self._events.add(event)
