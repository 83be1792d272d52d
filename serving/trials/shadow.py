"""Asks a new model beside the old one, whose answers are the results: in a thread of its own that others go before."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.answering import rows_of
from models.artefacts import Manifest
from models.errors import ImageError, ModelsClosed, ModelUnfit
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.printable import logger
from models.reference import ModelReference, StatedTrial
from models.trials.evidence import SIDES
from serving.batching import Computed
from serving.outputs import Answers, Fault, told
from serving.preparing import Prepares, takes_the_same
from serving.trials.noting import Counted, Notes, drawn, gist_drawn, is_comparable, name_of
from serving.trials.part import Part

_LOGGER = logger(__name__)

_REST = 9.0
"""Times as long as it worked, that it rests while others wait: a tenth of one thread's time is its."""
_LONGEST_REST_SECONDS = 30.0
_LOOK_SECONDS = 0.005
_TIMED_EVERY = 4
"""One of so many times the old model is asked once more, so that both are timed under the same circumstances."""
_LONGEST_CLOSE_SECONDS = 5.0


class _Request(NamedTuple):
    """One request, and what the old model made of it.

    Attributes:
        part: that it has in the trial.
        images: encoded files; () where it came as the model's input.
        wanted: outputs.
        values: what the old model was given, shape (n, *input_shape).
        outlines: of the images.
        answers: that it gave; None where it has none to an image of it.
    """

    part: Part
    images: Sequence[bytes]
    wanted: Sequence[str]
    values: NDArray[Any]
    outlines: list[Raster | None]
    answers: Answers | None

    @property
    def rows(self) -> int:
        """How many it has."""
        return len(self.values)

    @property
    def size(self) -> int:
        """Bytes that it holds in memory."""
        answers = sum(each.nbytes for row in self.answers.rows for each in row) if self.answers is not None else 0
        return self.values.nbytes + sum(map(len, self.images)) + answers


class _Given(NamedTuple):
    """What the new model is given of one request.

    Attributes:
        values: shape (n, *input_shape).
        outlines: of the images.
        wanted: outputs.
    """

    values: NDArray[Any]
    outlines: list[Raster | None]
    wanted: Sequence[str]


class _Beside(NamedTuple):
    """What the new model is to be asked, as one batch.

    Attributes:
        trial: under way.
        old: the model that answered.
        manifest: of that one.
        requests: of the batch.
    """

    trial: StatedTrial
    old: ModelReference
    manifest: Manifest
    requests: list[_Request]

    @property
    def images(self) -> int:
        """How many rows it has."""
        return sum(each.rows for each in self.requests)

    @property
    def size(self) -> int:
        """Bytes that it holds in memory."""
        return sum(each.size for each in self.requests)


class Shadow:
    """What waits to be asked of the new model, and the thread that asks. What finds no room is left out.

    Args:
        models: of which one may be tried.
        notes: where evidence is gathered.
        counted: is told how many images were noted.
        dropped: is told how many were left out.
        is_busy: whether anybody waits for an answer.
        prepares: makes what a model takes of an encoded image.
        most_images: that may wait.
        most_size: bytes that may wait.
    """

    def __init__(
        self,
        models: LiveModels,
        notes: Notes,
        counted: Counted,
        dropped: Callable[[int], None],
        is_busy: Callable[[], bool],
        prepares: Prepares,
        most_images: int,
        most_size: int,
    ) -> None:
        self._models = models
        self._notes = notes
        self._counted = counted
        self._dropped = dropped
        self._is_busy = is_busy
        self._prepares = prepares
        self._most_images = most_images
        self._most_size = most_size
        self._changed = threading.Condition()
        self._waiting: deque[_Beside] = deque()
        self._images = 0
        self._size = 0
        self._rests_until = 0.0
        self._asked = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, batch: Computed) -> None:
        """Has the new model be asked as well, if there is room; from any thread."""
        of: dict[StatedTrial, _Beside] = {}
        manifest = batch.model.manifest
        for job, answers in zip(batch.jobs, batch.answers, strict=True):
            part, asked = job.part, job.asked
            if part is None or not is_comparable(asked):
                continue
            request = _Request(part, asked.images, asked.outputs, job.values, job.outlines, answers)
            of.setdefault(part.trial, _Beside(part.trial, batch.model.reference, manifest, [])).requests.append(request)
        for beside in of.values():
            if not self._has_put(beside):
                self._dropped(beside.images)

    def close(self) -> None:
        """Asks nothing more."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_LONGEST_CLOSE_SECONDS)

    def _has_put(self, beside: _Beside) -> bool:
        images, size = beside.images, beside.size
        with self._changed:
            is_too_much = self._images + images > self._most_images or self._size + size > self._most_size
            if self._closed or is_too_much:
                return False
            self._waiting.append(beside)
            self._images += images
            self._size += size
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
                self._thread.start()
            self._changed.notify()
            return True

    def _run(self) -> None:
        while (beside := self._next()) is not None:
            began = time.monotonic()
            try:
                self._ask(beside)
            except ModelsClosed:
                return
            except Exception:
                _LOGGER.exception("the new model could not be asked beside the old one")
            ended = time.monotonic()
            self._rests_until = ended + min(_REST * (ended - began), _LONGEST_REST_SECONDS)
            with self._changed:
                self._images -= beside.images
                self._size -= beside.size
            del beside

    def _next(self) -> _Beside | None:
        """Waits for something to ask and for its turn; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            while not self._closed and self._is_busy() and time.monotonic() < self._rests_until:
                self._changed.wait(_LOOK_SECONDS)
            return None if self._closed else self._waiting.popleft()

    def _ask(self, beside: _Beside) -> None:
        on_trial = self._models.on_trial()
        if on_trial is None or on_trial.trial.number != beside.trial.number:
            return
        self._asked += 1
        old_took = self._seconds_of_old(beside) if self._asked % _TIMED_EVERY == 0 else None
        try:
            given = self._given(beside, on_trial.model.manifest)
            new, took = _asked(on_trial.model, given)
        except ModelUnfit as why:
            self._models.quarantine(on_trial.model, why)
            return
        with self._notes.noting(beside.trial) as evidence:
            if old_took is not None:
                evidence.called("old", beside.images, old_took)
            if took is not None:
                evidence.called("new", sum(len(each.values) for each in given if each is not None), took)
            for request, answers in zip(beside.requests, new, strict=True):
                name, row = name_of(request.part), drawn(request.part, request.rows)
                of_old, of_new = gist_drawn(request.answers, row), gist_drawn(answers, row)
                evidence.answered("old", of_old, name)
                evidence.answered("new", of_new, name)
                evidence.compared(name, of_old, of_new)
        for side in SIDES:
            self._counted("shadow", side, beside.images)

    def _given(self, beside: _Beside, manifest: Manifest) -> list[_Given | None]:
        """What the new model is given of each request; None where it cannot be made of its images, as it could for the
        old one."""
        is_same = takes_the_same(beside.manifest, manifest)
        return [self._given_of(request, manifest, is_same) for request in beside.requests]

    def _given_of(self, request: _Request, manifest: Manifest, is_same: bool) -> _Given | None:
        if is_same or not request.images:
            return _Given(request.values, request.outlines, request.wanted)
        try:
            made = [self._prepares(image, manifest) for image in request.images]
        except ImageError:
            return None
        return _Given(np.concatenate([values for values, _ in made]), [outline for _, outline in made], request.wanted)

    def _seconds_of_old(self, beside: _Beside) -> float | None:
        """That the old model takes for the same images now; None where it has no answer, or is another by now."""
        live = self._models.peek()
        if live is None or live.reference != beside.old:
            return None
        given = np.concatenate([request.values for request in beside.requests])
        began = time.monotonic()
        try:
            rows = list(rows_of(live, live.engine.predict, given))
        except ModelUnfit:  # who waits for its answers finds that out
            return None
        took = time.monotonic() - began
        return None if any(isinstance(row, ImageError) for row in rows) else took


def _asked(model: LiveModel, given: Sequence[_Given | None]) -> tuple[list[Answers | None], float | None]:
    """The answers to each request, None where there is one to not all of it; and the seconds that all of it took, None
    where it was asked for parts of it again, or for nothing.

    Raises:
        ModelUnfit, ModelsClosed: as from the model.
    """
    some = [each for each in given if each is not None]
    if not some:
        return [None] * len(given), None
    began = time.monotonic()
    rows = list(rows_of(model, model.engine.predict, np.concatenate([each.values for each in some])))
    took = time.monotonic() - began
    left = iter(rows)
    answers: list[Answers | None] = []
    has_failed = False
    for each in given:
        if each is None:
            answers.append(None)
            continue
        found, answer = told(model, [next(left) for _ in range(len(each.values))], each.outlines, each.wanted)
        has_failed = has_failed or isinstance(found, Fault)
        answers.append(answer)
    if has_failed:
        model.require_fit()
    return answers, None if any(isinstance(row, ImageError) for row in rows) else took
