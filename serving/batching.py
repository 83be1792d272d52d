"""Makes batches of what many clients ask, and has one model answer each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.answering import rows_of
from models.compute_threads import cores
from models.engines.engine import Outputs
from models.errors import ImageError, ImageFault, ModelsClosed, ModelUnfit, NoModelAnswers, one_line, typed_line
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.live import LiveModel, LiveModels
from models.printable import logger
from serving.asking import Answer, Asked, Code, Refused, Spent, refusal_of
from serving.outputs import named_outputs, ragged

_LOGGER = logger(__name__)

Row = Raster | NDArray[np.generic]
"""An image, or what a model takes of one, shape `input_shape`."""


@dataclass(eq=False, slots=True)
class Job:
    """A request on its way.

    Attributes:
        asked: by the client.
        model: the one that must answer; None for whichever is live.
        answer: to be set on the event loop.
        deadline: by the monotonic clock, after which nobody waits.
        rows: what the model is to answer to, once it is known.
    """

    asked: Asked
    model: LiveModel | None
    answer: asyncio.Future[Answer]
    deadline: float
    rows: Sequence[Row] = ()
    arrived: float = field(default_factory=time.monotonic)
    ready: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.answer.done() or time.monotonic() >= self.deadline

    def refuse(self, refused: Refused) -> None:
        """Ends it without an answer, from any thread."""
        settle([(self, refused)])


Outcome = Answer | Refused


def settle(outcomes: Sequence[tuple[Job, Outcome]]) -> None:
    """Gives each job its outcome, from any thread; all of them wait on one event loop."""

    def on_the_loop() -> None:
        for job, outcome in outcomes:
            if job.answer.done():
                continue
            if isinstance(outcome, Refused):
                job.answer.set_exception(outcome)
            else:
                job.answer.set_result(outcome)

    with suppress(RuntimeError):  # the event loop is closed: nobody waits
        outcomes[0][0].answer.get_loop().call_soon_threadsafe(on_the_loop)


class Batcher:
    """Threads that each take what waits, as one batch, and have it answered.

    Whoever comes while all of them are at work waits, and goes with others.

    Args:
        models: that answer.
        largest: images of a batch; a request of more is a batch by itself.
        wait: seconds that a request waits for others while a thread is idle.
        done: is told of each batch that was answered: by which model, its images and whether others wait.
    """

    def __init__(self, models: LiveModels, largest: int, wait: float, done: Callable[[str, int, bool], None]) -> None:
        self._models = models
        self._largest = largest
        self._wait = wait
        self._done = done
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name=f"batch {i}", daemon=True) for i in range(cores())]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        """Has a job answered whose rows are there; from any thread."""
        job.ready = time.monotonic()
        with self._changed:
            if not self._closed:
                self._waiting.append(job)
                self._changed.notify()
                return
        job.refuse(Refused(Code.UNAVAILABLE, "the server is ending"))

    def close(self) -> None:
        """Takes nothing more; what waits is refused."""
        with self._changed:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        if left:
            settle([(job, Refused(Code.UNAVAILABLE, "the server is ending")) for job in left])

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if not batch:
                continue
            outcomes = self._outcomes(batch)
            with self._changed:
                others_wait = bool(self._waiting)
            answers = [outcome for _, outcome in outcomes if isinstance(outcome, Answer)]
            if answers:
                self._done(answers[0].reference.model_id, answers[0].spent.batch, others_wait)
            settle(outcomes)
            del outcomes, answers
            del batch  # which may hold a model that is to retire

    def _next(self) -> list[Job] | None:
        """Waits for jobs and takes those that go together; none where all of them are over, None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            largest = self._worth_taking()
            self._await_others(self._waiting[0].ready + self._wait, largest)
            batch: list[Job] = []
            rows = 0
            while self._waiting:
                job = self._waiting[0]
                if batch and (rows + job.asked.rows > largest or not _go_together(batch[0], job)):
                    break
                self._waiting.popleft()
                if not job.is_over:
                    batch.append(job)
                    rows += job.asked.rows
            if self._waiting:
                self._changed.notify()
            return batch

    def _worth_taking(self) -> int:
        """Images of a batch: what the engine computes at once. Of more the first would only wait for the last."""
        live = self._models.peek()
        return min(self._largest, live.engine.largest_run) if live is not None else self._largest

    def _await_others(self, until: float, largest: int) -> None:
        """Waits for a full batch, at most until so late."""

        def is_full() -> bool:
            return self._closed or not self._waiting or sum(job.asked.rows for job in self._waiting) >= largest

        while not is_full() and (pause := until - time.monotonic()) > 0:
            self._changed.wait(pause)

    def _outcomes(self, batch: list[Job]) -> list[tuple[Job, Outcome]]:
        began = time.monotonic()
        try:
            while True:
                model = batch[0].model or self._models.current()
                misfits = [(job, misfit(job.asked, model)) for job in batch]
                fitting = [job for job, why in misfits if why is None]
                rows = [row for job in fitting for row in job.rows]
                try:
                    answers = iter(_answers(model, rows))
                except ModelUnfit as why:
                    self._models.quarantine(model, why)
                    if batch[0].model is None:
                        continue
                    raise
                took = time.monotonic() - began
                told = [
                    (job, _outcome(job, model, [next(answers) for _ in job.rows], began, took, len(rows)))
                    for job in fitting
                ]
                return told + [(job, why) for job, why in misfits if why is not None]
        except (ModelUnfit, NoModelAnswers) as error:
            refused = Refused(Code.UNAVAILABLE, one_line(error))
        except ModelsClosed:
            refused = Refused(Code.UNAVAILABLE, "the server is ending")
        except Exception as error:
            _LOGGER.exception("a batch of %d requests failed unexpectedly", len(batch))
            refused = Refused(Code.INTERNAL, typed_line(error))
        return [(job, refused) for job in batch]


def misfit(asked: Asked, model: LiveModel) -> Refused | None:
    """Why a model cannot answer a request, if so: another input's name, dtype or shape."""
    if asked.tensor is None:
        return None
    name, values = asked.tensor
    manifest = model.manifest
    if name and name != manifest.input_name:
        return Refused(
            Code.INVALID_ARGUMENT,
            f"there is no input {name[:60]!r}; the live model takes {manifest.input_name!r}, or 'images'",
        )
    wanted = (-1, *manifest.input_shape)
    if values.dtype.name == manifest.input_dtype and values.shape[1:] == manifest.input_shape:
        return None
    given = f"{values.dtype.name} {list(values.shape)}"
    return Refused(
        Code.INVALID_ARGUMENT,
        f"the input {manifest.input_name!r} is {manifest.input_dtype} {list(wanted)}, and {given} was given",
    )


def _go_together(first: Job, second: Job) -> bool:
    return first.model is second.model


def _answers(model: LiveModel, rows: Sequence[Row]) -> list[Outputs | ImageError]:
    """What the model gives for each row.

    Raises:
        ModelUnfit: it fails on its own probe image too.
        ModelsClosed: the program is ending.
    """
    run = model.images_at_once
    found: list[Outputs | ImageError] = []
    for start in range(0, len(rows), run):
        found += rows_of(lambda part: model.engine.predict(_input(part, model)), rows[start : start + run])
    if any(isinstance(each, ImageError) for each in found):
        model.require_fit()
    return found


def _input(rows: Sequence[Row], model: LiveModel) -> NDArray[np.generic]:
    """Images and ready rows as one batch, in their order."""
    images = [row for row in rows if isinstance(row, Raster)]
    if len(images) == len(rows):
        return model_input(images, model.manifest)
    batch = np.empty((len(rows), *model.manifest.input_shape), model.manifest.input_dtype)
    where = [index for index, row in enumerate(rows) if isinstance(row, Raster)]
    if images:
        batch[where] = model_input(images, model.manifest)
    for index, row in enumerate(rows):
        if not isinstance(row, Raster):
            batch[index] = row
    return batch


def _outcome(
    job: Job, model: LiveModel, rows: Sequence[Outputs | ImageError], began: float, took: float, batch: int
) -> Outcome:
    good: list[Outputs] = []
    for index, row in enumerate(rows):
        if isinstance(row, ImageError):
            return refusal_of(row, index, len(rows))
        good.append(row)
    images = [row if isinstance(row, Raster) else None for row in job.rows]
    try:
        outputs = named_outputs(model, good, images, job.asked.outputs)
    except ImageError as error:
        if error.fault is ImageFault.NON_FINITE_OUTPUT and job.asked.tensor is not None:
            return Refused(Code.INVALID_ARGUMENT, f"{error.fault}: of these numbers the model makes none")
        return refusal_of(error, 0, 1)
    except Refused as refused:
        return refused
    except Exception as error:  # whatever a model's numbers may make of an interpretation
        return refusal_of(ImageError(ImageFault.PREDICTION_FAILED, typed_line(error)), 0, 1)
    spent = Spent(job.ready - job.arrived, began - job.ready, took, batch, job.arrived)
    return Answer(model.reference, outputs, spent, ragged(model.manifest))
