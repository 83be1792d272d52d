"""Models on their way into memory and out of it: what is wanted and what is there, and when to try again."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

from models.errors import typed_line
from models.events import EventLog, ModelEvent
from models.live_model import LiveModel
from models.printable import logger
from models.reference import ModelReference, StatedTrial

_LOGGER = logger(__name__)

_LONGEST_RETRY_SECONDS = 60.0
TRIED_SECONDS = 10.0
"""How long a process that begins amid a trial waits for the model on trial."""
MOST_TROUBLES = 3
"""Calls of a model on trial that may fail for what is this process's doing, until this process tries it no more."""


class HearsOfTrials(Protocol):
    """Who is told what keeps this process from trying a model; any thread calls."""

    def unfit(self, trial: StatedTrial, why: str) -> None:
        """It fails on its own probe image."""
        ...

    def not_loaded(self, trial: StatedTrial, why: str) -> None:
        """It cannot be loaded, or asked, for what may be this machine's doing."""
        ...


class Wanted(NamedTuple):
    """A model to be brought in: to be live, or for a trial."""

    reference: ModelReference
    trial: StatedTrial | None

    @property
    def what(self) -> tuple[ModelReference, int | None]:
        """The same for all steps of a trial."""
        return self.reference, self.trial.number if self.trial else None


class Obstacle(NamedTuple):
    """Why the model of a trial is not tried here."""

    trial: StatedTrial
    why: str


class Obstacles:
    """What keeps the model of a trial from being tried in this process. Whoever uses `LiveModels` holds its lock.

    Attributes:
        given_up: why it is tried no more in this trial; None while it is.
        not_loaded: why it is not in memory yet; None while nothing was in the way.
    """

    def __init__(self) -> None:
        self.given_up: Obstacle | None = None
        self.not_loaded: Obstacle | None = None
        self._troubles = 0

    def forget(self) -> None:
        """Another trial begins, or none."""
        self.given_up = self.not_loaded = None
        self._troubles = 0

    def is_one_too_many(self) -> bool:
        """Counts a call that failed for what is this process's doing; whether there were too many."""
        self._troubles += 1
        return self._troubles >= MOST_TROUBLES

    @property
    def why(self) -> str:
        """In one line; "" while there is none."""
        obstacle = self.given_up or self.not_loaded
        return obstacle.why if obstacle is not None else ""


class Beginning:
    """A process that begins amid a trial answers nothing until the model on trial is there too, for a while.

    The live one alone would answer images that the other one answers in every other process.
    """

    def __init__(self) -> None:
        self._is_over = False
        self._since: float | None = None

    def is_over(self, awaits_tried: Callable[[], bool]) -> bool:
        """Whether images are answered; asked once there is a live model, and true for good after it was once.

        Args:
            awaits_tried: whether the model on trial is on its way, and nothing has been in its way yet.
        """
        if not self._is_over:
            now = time.monotonic()
            self._since = now if self._since is None else self._since
            self._is_over = not awaits_tried() or now - self._since > TRIED_SECONDS
        return self._is_over


class Residents:
    """The models that are in memory, in use or held by a last batch.

    Whoever uses `LiveModels` holds its lock for all but `tell_retired`, `find` and `count`.

    Args:
        events: where `retired` is told.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._models: weakref.WeakValueDictionary[str, LiveModel] = weakref.WeakValueDictionary()
        self._retirements: weakref.WeakKeyDictionary[LiveModel, weakref.finalize[Any, LiveModel]]
        self._retirements = weakref.WeakKeyDictionary()
        self._retiring = 0
        self._counting = threading.Lock()
        self._gone: SimpleQueue[tuple[str, str]] = SimpleQueue()

    def count(self) -> int:
        """How many there are."""
        return len(self._models)

    def find(self, sha256: str) -> LiveModel | None:
        """That of these bytes, if there is one."""
        return self._models.get(sha256)

    def stays(self, model: LiveModel) -> None:
        """Takes in that a model is in use, and where it was on its way out, that it is no longer."""
        self._models[model.reference.sha256] = model
        if (retirement := self._retirements.pop(model, None)) is not None and retirement.detach():
            self._count(-1)

    def leaves(self, model: LiveModel) -> None:
        """Has a model that is no longer in use be told as retired once the last batch has dropped it."""
        # In any thread and at any moment, even amid a lock that telling would need.
        gone = model.reference.model_id, model.card.name
        self._retirements[model] = weakref.finalize(model, self._gone.put, gone)
        self._retirements[model].atexit = False
        self._count(1)

    def is_any_leaving(self) -> bool:
        """Whether a model has yet to be told as retired."""
        return self._retiring > 0

    def tell_retired(self) -> None:
        """Tells of those that have gone."""
        gone = []
        with contextlib.suppress(Empty):
            while True:
                gone.append(self._gone.get_nowait())
        if not gone:
            return
        self._count(-len(gone))
        for model_id, name in gone:
            _LOGGER.info("model retired: %s", model_id)
            self._events.add(ModelEvent("retired", model_id, name))

    def _count(self, more: int) -> None:
        with self._counting:
            self._retiring += more


class Failures:
    """Of bringing in one model: how long to wait before the next attempt, and what of it is news.

    Args:
        first_seconds: to wait after the first failure; then twice as long each time.
    """

    def __init__(self, first_seconds: float) -> None:
        self._first_seconds = first_seconds
        self._of: ModelReference | None = None
        self._seconds = first_seconds
        self._text = ""

    def add(self, reference: ModelReference, error: Exception) -> tuple[float, bool]:
        """Takes in a failure; returns seconds to wait, and whether it is another one than the one before."""
        self._seconds = min(2 * self._seconds, _LONGEST_RETRY_SECONDS)
        if reference != self._of:
            self._of, self._seconds, self._text = reference, self._first_seconds, ""
        text = typed_line(error)
        is_news = text != self._text
        self._text = text
        return self._seconds, is_news


def tell_loading(events: EventLog, wanted: Wanted, live: LiveModel | None) -> None:
    """Tells that a model is on its way in.

    Args:
        events: where.
        wanted: the model.
        live: which one answers meanwhile.
    """
    reference, trial = wanted
    beside = f"for a trial beside {live.reference.model_id}" if trial is not None and live is not None else ""
    events.add(ModelEvent("loading", reference.model_id, reference.file_name, beside))


def tell_failed(events: EventLog, wanted: Wanted, why: str, is_news: bool, seconds: float) -> None:
    """Tells that a model could not be brought in, and is tried again: as an event where it is news."""
    reference, trial = wanted
    so = "is not live yet, the model stays as it is" if trial is None else "is not tried yet, the live model answers"
    level = logging.WARNING if is_news else logging.DEBUG
    _LOGGER.log(level, "%s %s; trying again: %s", reference.model_id, so, why)
    if is_news:
        events.add(ModelEvent("failed", reference.model_id, reference.file_name, why, seconds))


def why_none_is_left(quarantined: Mapping[ModelReference, str], after: ModelReference | None) -> str:
    """Why no model answers.

    Args:
        quarantined: at least one, and why each is; the last one was live last.
        after: which is about to be live; None where there is none.
    """
    reference, why = list(quarantined.items())[-1]
    failed = f"{reference.model_id}, failed on its own probe image: {why}"
    if after is not None:
        return f"{after.model_id} is about to take over; the model before, {failed}"
    return f"no model can answer; the last one, {failed}"
