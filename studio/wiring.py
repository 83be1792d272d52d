"""What the stream tells, brought to all whom it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from models.errors import typed_line
from models.printable import logger
from studio.drawing.drawings import PURPOSE as ANSWER
from studio.drawing.drawings import Drawings
from studio.rereading import PURPOSE as READING
from studio.rereading import Rereading
from studio.stream.figures import Figures
from studio.web.listeners import DEAD_LETTER, MODEL_EVENT, Listeners
from studio.web.standing import Standing
from studio.web.trial_watch import TrialWatch

_LOGGER = logger(__name__)
_PURPOSE = "purpose"


class Wiring:
    """Hears the stream, as `StreamListener` says, from threads of its own.

    Where one who is told fails, a line is logged, and all others are told none the less.

    Made before the stream is, as the stream is told of it; whoever is told is added before the stream starts.

    Args:
        figures: are told first.
        listeners: browsers; told in the event loop's thread, which is the one that makes this.
    """

    def __init__(self, figures: Figures, listeners: Listeners) -> None:
        self._figures = figures
        self._listeners = listeners
        self._loop = asyncio.get_running_loop()
        self._drawings: Drawings | None = None
        self._rereading: Rereading | None = None
        self._standing: Standing | None = None
        self._trial: TrialWatch | None = None

    def add(self, drawings: Drawings, rereading: Rereading, standing: Standing, trial: TrialWatch) -> None:
        """Whom it concerns what the stream tells.

        Args:
            drawings: that are answered.
            rereading: that asks for corrected drawings again, and is answered.
            standing: what pages show.
            trial: watches what is tried.
        """
        self._drawings, self._rereading, self._standing, self._trial = drawings, rereading, standing, trial

    def result(self, record: Mapping[str, Any]) -> None:
        """A whole result; it goes to whoever asked."""
        purpose = _purpose(record)
        with _going_on():
            if purpose == ANSWER and self._drawings is not None:
                self._drawings.answered(record)
        with _going_on():
            if purpose == READING and self._rereading is not None:
                self._rereading.result(record)
        with _going_on():
            self._figures.take_result(record)

    def dead_letter(self, record: Mapping[str, Any]) -> None:
        """A whole dead letter; so does it."""
        with _going_on():
            if _purpose(record) == ANSWER and self._drawings is not None:
                self._drawings.failed(record)
        with _going_on():
            self._tell(DEAD_LETTER, self._figures.take_dead_letter(record))

    def model_event(self, record: Mapping[str, Any], swapped: bool) -> None:
        """A whole model event: another model may be live, which has read nothing yet."""
        with _going_on():
            self._tell(MODEL_EVENT, self._figures.take_event(record, swapped))
        if self._rereading is not None:
            self._rereading.wake()
        if self._trial is not None:
            self._soon(self._trial.wake)

    def changed(self) -> None:
        """The stream's state is otherwise."""
        if self._standing is not None:
            self._standing.changed()

    def relearning_changed(self) -> None:
        """Retraining's state is otherwise, and with it perhaps how many corrections are new."""
        if self._standing is not None:
            self._standing.recount()

    def _tell(self, name: str, record: Mapping[str, Any]) -> None:
        self._soon(self._listeners.tell, name, record)

    def _soon(self, call: Callable[..., None], *given: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(call, *given)


@contextmanager
def _going_on() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a fault in one part is no reason that an answer is lost in another
        _LOGGER.warning("what the stream told could not be taken: %s", typed_line(error))


def _purpose(record: Mapping[str, Any]) -> str:
    attributes = record.get("attributes")
    return str(attributes.get(_PURPOSE, "")) if isinstance(attributes, Mapping) else ""
