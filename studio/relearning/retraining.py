"""Retraining, one run at a time: asked for by people, or by itself once enough was corrected."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from databases.errors import StoreUnusable
from models.errors import CacheUnusable, VettingFailed, VettingStopped
from models.printable import logger
from models.storage.errors import StorageUnavailable
from models.vetting import Vetter
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.relearning.diary import Diary
from studio.relearning.job import Job, Progress
from studio.relearning.outcomes import Outcome, finished, of_error, outcome_of, unread
from studio.relearning.process import RunProcess
from studio.relearning.stages import EXPORTING, STARTING, WAITING, line_of, percent_of
from studio.relearning.state import Pipeline, RetrainingState
from studio.store.corrections import Corrections

_LOGGER = logger(__name__)
_LIMIT_SECONDS = 600.0
_AGAIN_SECONDS = 5.0
_SCRATCH = "scratch"
_VERDICT = "verdict.json"


class Retraining:
    """Runs the pipelines of `studio.retraining` on the studio's corrections, in processes of their own.

    Thread-safe. A thread of its own does all that takes time, from `begin` until `stop`; what is asked before waits.

    Args:
        places: where corrections, work and models lie.
        corrections: the studio's.
        after: how many corrections begin a run by themselves; 0: none ever does.
        changed: called from any thread whenever `state` is otherwise; quick.
        parameters: that change the pipelines' own, by dotted names (`tuning.epochs`).
        seconds: that a run may take.
    """

    def __init__(
        self,
        places: Places,
        corrections: Corrections,
        after: int,
        changed: Callable[[], None],
        parameters: Mapping[str, Any] = {},
        seconds: float = _LIMIT_SECONDS,
    ) -> None:
        self._places = places
        self._diary = Diary(corrections)
        self._corrections = corrections
        self._after = after
        self._changed = changed
        folders = {"work": places.work, "models": places.models, "corrections": places.corrections}
        self._parameters = dict(parameters) | {name: str(folder.absolute()) for name, folder in folders.items()}
        self._seconds = seconds
        self._turn = threading.Condition()
        self._state = RetrainingState()
        self._began: float | None = None
        self._due: Pipeline | None = None
        self._next: Pipeline | None = None
        self._first = False
        self._looks = False
        self._stopping = threading.Event()
        self._vetter: Vetter | None = None
        self._worker = threading.Thread(target=self._work, name="retraining", daemon=True)

    @property
    def state(self) -> RetrainingState:
        """As it is now."""
        with self._turn:
            if self._began is None:
                return self._state
            return replace(self._state, seconds=round(time.monotonic() - self._began, 1))

    def begin(self) -> None:
        """From here on it works; returns at once."""
        self._worker.start()

    def start(self, pipeline: Pipeline = "tuning") -> None:
        """Has a run begin, now or after the one that is under way; one at most waits, the one wanted last.

        Raises:
            StudioRefused: the studio is ending.
        """
        self._require_open()
        with self._turn:
            if self._began is None:
                self._due = pipeline
                self._runs(pipeline)
            else:
                self._next = pipeline
                self._state = replace(self._state, queued=True)
            self._turn.notify_all()
        self._say_changed()

    def first(self) -> None:
        """Has a model trained from the beginning where the model folder has no valid one; digits alone do for it.

        Raises:
            StudioRefused: the studio is ending.
        """
        self._require_open()
        with self._turn:
            self._first = True
            self._turn.notify_all()

    def corrected(self) -> None:
        """Something was corrected: begins a run where there were enough since the last one began."""
        with self._turn:
            self._looks = True
            self._turn.notify_all()

    def stop(self, seconds: float) -> None:
        """Ends a run that is under way, and nothing begins afterwards. Harmless when repeated.

        Args:
            seconds: that it may take. What is left then, a database that does not answer, is not waited for.
        """
        with self._turn:
            self._stopping.set()
            vetter = self._vetter
            self._turn.notify_all()
        if vetter is not None:
            vetter.close()
        if self._worker.ident is not None:
            self._worker.join(seconds)

    def _require_open(self) -> None:
        if self._stopping.is_set():
            raise StudioRefused(Trouble.NOT_POSSIBLE, "the studio is ending; start it again")

    def _runs(self, pipeline: Pipeline) -> None:
        """From here on it runs, for whoever asks; the turn is ours."""
        self._began = time.monotonic()
        self._state = RetrainingState("running", pipeline, WAITING.stage, 0, line_of(WAITING))

    def _work(self) -> None:
        """Until `stop`."""
        self._go_on_after(self._recall)
        while not self._stopping.is_set():
            self._go_on_after(self._work_once)
        self._go_on_after(self._diary.tell)

    def _go_on_after(self, step: Callable[[], None]) -> None:
        """Does something; whatever comes of it, the thread lives on, or everything would seem to run for ever."""
        try:
            step()
        except Exception as error:
            _LOGGER.warning("retraining broke off", exc_info=True)
            with self._turn:
                pipeline = self._state.pipeline or "__default__"
                seconds = 0.0 if self._began is None else round(time.monotonic() - self._began, 1)
                self._state = replace(finished(pipeline, of_error(error), seconds), queued=self._is_wanted())
                self._began = None
            self._say_changed()

    def _work_once(self) -> None:
        with self._turn:
            patience = None if self._diary.is_told else _AGAIN_SECONDS
            self._turn.wait_for(self._has_something_to_do, patience)
            first, self._first = self._first, False
            looks, self._looks = self._looks, False
        self._diary.tell()
        if first and not self._has_a_model() and not self._stopping.is_set():
            self._carry_out("__default__", digits_do=True)
        with self._turn:
            if self._due is None:
                self._due, self._next = self._next, None
            pipeline, self._due = self._due, None
        if pipeline is not None and not self._stopping.is_set():
            self._carry_out(pipeline)
            looks = True
        if looks and self._after > 0 and not self._stopping.is_set():
            self._look()

    def _has_something_to_do(self) -> bool:
        return self._stopping.is_set() or self._first or self._looks or self._is_wanted()

    def _is_wanted(self) -> bool:
        return self._due is not None or self._next is not None

    def _recall(self) -> None:
        """What came of the last run of an earlier studio."""
        recalled = self._diary.last()
        with self._turn:
            if recalled is None or self._began is not None:
                return
            self._state = recalled
        self._say_changed()

    def _look(self) -> None:
        """Begins a run where enough was corrected since the last."""
        try:
            since = self._corrections.counts().since_run
        except StoreUnusable as trouble:
            _LOGGER.warning("whether to retrain by itself is not known: %s", trouble)
            return
        with self._turn:
            if since < self._after or self._is_wanted():
                return
            self._due = "tuning"
            self._runs("tuning")
        self._say_changed()

    def _has_a_model(self) -> bool:
        """Whether a model is valid, or may be: what cannot be looked at now is left to who looks again."""
        from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH
        from models.storage.schemes import AnyStorage
        from models.vetting.session import vetting
        from studio.retraining.parents import live_model

        storage = AnyStorage()
        try:
            with vetting(storage, DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH) as vetter:
                with self._turn:
                    self._vetter = vetter
                return self._stopping.is_set() or live_model(self._places.models, storage, vetter) is not None
        except VettingStopped:
            return True
        except (VettingFailed, StorageUnavailable, CacheUnusable) as trouble:
            _LOGGER.warning("whether %s holds a model is not known: %s", self._places.models, trouble)
            return True
        finally:
            with self._turn:
                self._vetter = None

    def _carry_out(self, pipeline: Pipeline, digits_do: bool = False) -> None:
        with self._turn:
            if self._began is None or self._state.pipeline != pipeline:
                self._runs(pipeline)
            self._state = replace(self._state, queued=self._is_wanted())
        self._say_changed()
        number: int | None = None
        try:
            number = self._diary.begin(pipeline)
            outcome = self._run(pipeline, digits_do)
        except StoreUnusable as trouble:
            outcome = self._run(pipeline, digits_do) if digits_do else unread(trouble)
        except Exception as error:  # it is written down below, and the next one begins
            _LOGGER.warning("retraining broke off", exc_info=not isinstance(error, OSError | StudioRefused))
            outcome = of_error(error)
        _LOGGER.info("retraining (%s): %s (%s) %s", pipeline, outcome.state, outcome.reason, outcome.detail)
        with self._turn:
            assert self._began is not None
            ended = finished(pipeline, outcome, round(time.monotonic() - self._began, 1))
            self._state = replace(ended, queued=self._is_wanted())
            self._began = None
        self._say_changed()
        if number is not None:  # last, for a database that is gone takes its time to say so
            self._diary.end(number, outcome)

    def _run(self, pipeline: Pipeline, digits_do: bool) -> Outcome:
        self._tell(EXPORTING)
        work = self._places.work
        scratch, verdict = work / _SCRATCH, work / _VERDICT
        try:
            self._export(digits_do)
            work.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
            scratch.mkdir(mode=0o700)
            verdict.unlink(missing_ok=True)
            process = RunProcess(Job(pipeline, self._parameters), scratch, self._tell)
        except StoreUnusable as trouble:
            return unread(trouble)
        self._tell(STARTING)
        exit_ = process.wait(self._seconds, self._stopping)
        shutil.rmtree(scratch, ignore_errors=True)
        return outcome_of(exit_, verdict, self._seconds)

    def _export(self, digits_do: bool) -> None:
        try:
            self._corrections.export(self._places.corrections)
        except StoreUnusable:
            if not digits_do:
                raise

    def _say_changed(self) -> None:
        try:
            self._changed()
        except Exception:  # who listens may not be ready yet; the thread that retrains must live on
            _LOGGER.warning("a change of retraining was not taken", exc_info=True)

    def _tell(self, progress: Progress) -> None:
        with self._turn:
            before = self._state
            percent = max(before.percent, percent_of(progress))
            self._state = replace(before, stage=progress.stage, percent=percent, line=line_of(progress))
            is_new = self._state != before
        if is_new:
            self._say_changed()
