"""Makes batches of what many clients ask, and has one model answer each."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.answering import rows_of
from models.compute_threads import cores
from models.errors import ImageError, ImageFault, ModelsClosed, ModelUnfit, typed_line
from models.live import LiveModel, LiveModels
from models.printable import logger
from serving.asking import Answer, Code, Refused, Spent, refusal_of
from serving.outputs import Answers, Fault, Named, ragged, told
from serving.preparing import Job, Outcome, settle

_LOGGER = logger(__name__)


class Computed(NamedTuple):
    """A batch that a model has computed.

    Attributes:
        model: that did.
        jobs: of the batch, some may be over.
        answers: what it gave for each of them; None where it has none to an image of it.
        seconds: that the model took for the whole batch.
        is_whole: whether the model gave numbers for all of it; else it was asked for parts of it again.
    """

    model: LiveModel
    jobs: list[Job]
    answers: list[Answers | None]
    seconds: float
    is_whole: bool

    @property
    def images(self) -> int:
        """How many it had."""
        return sum(job.asked.rows for job in self.jobs)


class Batcher:
    """Threads that each take what waits for one model, as one batch, and have it answered.

    Whoever comes while all of them are at work waits, and goes with others.

    Args:
        models: of which each job names one.
        largest: images of a batch; a request of more is a batch by itself.
        wait: seconds that a request waits for others while a thread is idle.
        again: is handed each job whose model turned out to be unfit, in a thread.
        done: is told of each batch that was answered: by which model, its images and whether others wait.
        computed: is handed each batch one of whose jobs has a part in a trial, once their clients have their answers.
    """

    def __init__(
        self,
        models: LiveModels,
        largest: int,
        wait: float,
        again: Callable[[Job], None],
        done: Callable[[str, int, bool], None],
        computed: Callable[[Computed], None],
    ) -> None:
        self._models = models
        self._largest = largest
        self._wait = wait
        self._again = again
        self._done = done
        self._computed = computed
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._next_largest: int | None = None
        self._closed = False
        self._threads: list[threading.Thread] = []

    @property
    def is_waited_for(self) -> bool:
        """Whether a job waits for a thread."""
        return bool(self._waiting)

    def put(self, job: Job) -> None:
        """Has a job answered whose values are there; from any thread."""
        job.ready = time.monotonic()
        with self._changed:
            if not self._closed:
                if not self._threads:
                    self._begin()
                self._waiting.append(job)
                self._changed.notify()
                return
        job.refuse(_ending())

    def limit_next(self, images: int) -> None:
        """Has the next batch have so many images at most, so that it can be compared with another one."""
        self._next_largest = images

    def close(self) -> None:
        """Takes nothing more; what waits is refused."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        settle([(job, _ending()) for job in left])

    def _begin(self) -> None:
        """Begins the threads at the first job: a server that tries nothing has none for it."""
        self._threads = [threading.Thread(target=self._run, name=f"batch {i}", daemon=True) for i in range(cores())]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._settled(batch)
            del batch  # which holds a model that may have to retire

    def _settled(self, batch: list[Job]) -> None:
        outcomes, computed = self._outcomes(batch)
        settle(outcomes)
        with self._changed:
            others_wait = bool(self._waiting)
        answer = next((outcome for _, outcome in outcomes if isinstance(outcome, Answer)), None)
        if answer is not None:
            try:
                self._done(answer.reference.model_id, answer.spent.batch, others_wait)
            except Exception:
                _LOGGER.exception("a batch could not be counted")
        if computed is not None and any(job.part for job in computed.jobs):
            try:
                self._computed(computed)
            except Exception:
                _LOGGER.exception("what a trial has to know of a batch could not be noted")

    def _next(self) -> list[Job] | None:
        """Waits for jobs and takes those that go together; none where all of them are over, None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            # What the engine computes at once: of more the first would only wait for the last.
            largest = min(self._largest, self._waiting[0].model.engine.largest_run)
            if self._next_largest is not None:
                largest, self._next_largest = min(largest, self._next_largest), None
            self._await_others(self._waiting[0].ready + self._wait, largest)
            batch: list[Job] = []
            rows = 0
            while self._waiting:
                job = self._waiting[0]
                if batch and (rows + job.asked.rows > largest or job.model is not batch[0].model):
                    break
                self._waiting.popleft()
                if not job.is_over:
                    batch.append(job)
                    rows += job.asked.rows
            if self._waiting:
                self._changed.notify()
            return batch

    def _await_others(self, until: float, largest: int) -> None:
        """Waits for a full batch, at most until so late."""

        def is_full() -> bool:
            return self._closed or not self._waiting or sum(job.asked.rows for job in self._waiting) >= largest

        while not is_full() and (pause := until - time.monotonic()) > 0:
            self._changed.wait(pause)

    def _outcomes(self, batch: list[Job]) -> tuple[list[tuple[Job, Outcome]], Computed | None]:
        """What each job comes to, and how; nothing of those that are handed on, as their model is unfit."""
        model = batch[0].model
        began = time.monotonic()
        try:
            if self._models.is_quarantined(model):  # since they came
                self._hand_on(batch)
                return [], None
            rows = list(rows_of(model, model.engine.predict, _together([job.values for job in batch])))
            took = time.monotonic() - began
            given = iter(rows)
            found = [
                told(model, [next(given) for _ in range(job.asked.rows)], job.outlines, job.asked.outputs)
                for job in batch
            ]
            if any(isinstance(each, Fault) for each, _ in found):
                model.require_fit()
            is_whole = not any(isinstance(row, ImageError) for row in rows)
            computed = Computed(model, batch, [answers for _, answers in found], took, is_whole)
        except ModelUnfit as why:
            self._models.quarantine(model, why)
            self._hand_on(batch)
            return [], None
        except ModelsClosed:
            return [(job, _ending()) for job in batch], None
        except Exception as error:
            _LOGGER.exception("a batch of %d requests failed unexpectedly", len(batch))
            return [(job, Refused(Code.INTERNAL, typed_line(error))) for job in batch], None
        outcomes = [
            (job, _outcome(job, each, began, took, len(rows))) for job, (each, _) in zip(batch, found, strict=True)
        ]
        return outcomes, computed

    def _hand_on(self, batch: list[Job]) -> None:
        for job in batch:
            try:
                self._again(job)
            except Exception as error:  # no room for its images once more, say
                job.refuse(Refused(Code.INTERNAL, typed_line(error)))


def _ending() -> Refused:
    return Refused(Code.UNAVAILABLE, "the server is ending")


def _together(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return values[0] if len(values) == 1 else np.concatenate(values)


def _outcome(job: Job, found: Named | Refused | Fault, began: float, took: float, batch: int) -> Outcome:
    if isinstance(found, Refused):
        return found
    if isinstance(found, Fault):
        if found.error.fault is ImageFault.NON_FINITE_OUTPUT and job.asked.tensor is not None:
            return Refused(Code.INVALID_ARGUMENT, f"{found.error.fault}: of these numbers the model makes none")
        return refusal_of(found.error, found.row, job.asked.rows)
    spent = Spent(job.ready - job.arrived, began - job.ready, took, batch, job.arrived)
    return Answer(job.model.reference, found, spent, ragged(job.model.manifest))
