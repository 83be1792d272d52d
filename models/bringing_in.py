"""Models on their way into memory and out of it: what is wanted and what is there, and when to try again."""

from __future__ import annotations

import contextlib
import weakref
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol

from models.errors import typed_line
from models.events import EventLog, ModelEvent
from models.live_model import LiveModel
from models.printable import logger
from models.reference import ModelReference, StatedTrial

_LOGGER = logger(__name__)

_LONGEST_RETRY_SECONDS = 60.0


class HearsOfTrials(Protocol):
    """Who is told what keeps this process from trying a model; any thread calls."""

    def unfit(self, trial: StatedTrial, why: str) -> None:
        """It fails on its own probe image."""
        ...

    def not_loaded(self, trial: StatedTrial, why: str) -> None:
        """It cannot be loaded, and is tried again."""
        ...


class Wanted(NamedTuple):
    """A model to be brought in: to be live, or for a trial."""

    reference: ModelReference
    trial: StatedTrial | None


class Obstacle(NamedTuple):
    """Why the model of a trial is not tried here."""

    trial: StatedTrial
    why: str


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
            self._retiring -= 1

    def leaves(self, model: LiveModel) -> None:
        """Has a model that is no longer in use be told as retired once the last batch has dropped it."""
        # In any thread and at any moment, even amid a lock that telling would need.
        gone = model.reference.model_id, model.card.name
        self._retirements[model] = weakref.finalize(model, self._gone.put, gone)
        self._retirements[model].atexit = False
        self._retiring += 1

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
        self._retiring -= len(gone)
        for model_id, name in gone:
            _LOGGER.info("model retired: %s", model_id)
            self._events.add(ModelEvent("retired", model_id, name))


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
