"""Corrected drawings, asked again of each model that goes live: so it is known how many of them each gets right."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from databases.errors import StoreUnusable
from models.errors import typed_line
from models.printable import logger
from studio.drawing.drawings import Drawings
from studio.errors import StudioRefused
from studio.store.corrections import Correction, Corrections
from studio.stream.state import StreamState

PURPOSE = "reading"
"""What the stream is told that a drawing is asked for, as the attribute `purpose` of its message."""

_LOGGER = logger(__name__)
_SECONDS_BETWEEN = 0.1
_MOST_UNDER_WAY = 20
_ANSWERED_SECONDS = 30.0
"""After which an answer is not counted on any more: the stream told a dead letter."""
_LOOK_SECONDS = 1.0
_IDLE_SECONDS = 30.0
_AWAY_SECONDS = 2.0
_MOST_DIGITS = 19


class Asks(Protocol):
    """Of the stream, what is live and how it is asked."""

    @property
    def state(self) -> StreamState:
        """At this moment."""

    def ask(self, image: Path, attributes: Mapping[str, str]) -> None:
        """Raises `StudioRefused` where nothing can be asked."""


def no_trial() -> int:
    """The number of the trial under way where none ever is."""
    return 0


class Rereading:
    """A thread that asks the stream for corrected drawings which the live model has not read, and keeps what it says.

    It asks for ten a second at most, and for none while somebody waits for a drawing of theirs. A database or a stream
    that is away is waited for.

    While a model is tried it asks for nothing: corrected drawings are those that some model misread, and as a part of
    what both models are judged by they would speak against whichever misread them.
    """

    def __init__(
        self, corrections: Corrections, stream: Asks, drawings: Drawings, trial: Callable[[], int] = no_trial
    ) -> None:
        """Takes what it needs; nothing is asked before `start`.

        Args:
            corrections: what is read, and where readings are kept.
            stream: that is asked.
            drawings: saves the images, and knows whether somebody waits.
            trial: the number of the trial that is under way; 0 where none is.
        """
        self._corrections = corrections
        self._stream = stream
        self._drawings = drawings
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._results: SimpleQueue[Mapping[str, Any]] = SimpleQueue()
        self._unkept: Mapping[str, Any] | None = None
        self._trial = trial
        self._model_id = ""
        self._names_none = ""
        self._tried: set[int] = set()
        self._under_way: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="rereading", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it; what the stream answers later is not kept, and asked again next time. Harmless when repeated."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        """There may be something to ask: a correction was made, or another model is live. Any thread may say so."""
        self._woken.set()

    def result(self, record: Mapping[str, Any]) -> None:
        """Takes a result with the purpose `reading`; from any thread, and at once.

        Args:
            record: as `models.records.result_record` makes it, with the attributes that it was asked with.
        """
        if _number(record) is not None:
            self._results.put(record)
            self._woken.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                self._keep_results()
                pause = self._ask_some()
            except StoreUnusable as error:
                _LOGGER.debug("corrected drawings are read again once the database is back: %s", error)
                pause = _AWAY_SECONDS
            except StudioRefused as error:
                _LOGGER.debug("corrected drawings are read again later: %s", error)
                pause = _AWAY_SECONDS
            except Exception as error:  # whatever it is: accuracies would stand still without a word
                self._unkept = None
                _LOGGER.warning("corrected drawings are read again later: %s", typed_line(error))
                pause = _AWAY_SECONDS
            self._wait(pause)

    def _wait(self, seconds: float) -> None:
        """Until something happened, another model is live, or the time is over."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._woken.wait(min(left, _LOOK_SECONDS)):
            if self._live() != self._model_id:
                return

    def _live(self) -> str:
        state = self._stream.state
        return state.live.model_id if state.live is not None and state.word == "running" else ""

    def _keep_results(self) -> None:
        while self._unkept is not None or self._take_result():
            assert self._unkept is not None
            self._keep(self._unkept)
            self._unkept = None

    def _take_result(self) -> bool:
        try:
            self._unkept = self._results.get_nowait()
        except Empty:
            return False
        return True

    def _keep(self, record: Mapping[str, Any]) -> None:
        number = _number(record)
        assert number is not None
        self._under_way.pop(number, None)
        model_id = str(record["model_id"])
        if "label" not in record:
            self._names_none = model_id
            return
        self._corrections.keep_reading(number, model_id, str(record["label"]), float(record["score"]))
        # It has its reading now; or it has that of a model that answered just before it was replaced.
        self._tried.discard(number)

    def _ask_some(self) -> float:
        """Asks for some, as many as may be; for how long to wait then."""
        if (live := self._live()) != self._model_id:
            self._model_id = live
            self._tried.clear()
            self._under_way.clear()
        if not live or live == self._names_none or self._trial():
            return _LOOK_SECONDS
        overdue = time.monotonic() - _ANSWERED_SECONDS
        self._under_way = {number: asked for number, asked in self._under_way.items() if asked > overdue}
        room = _MOST_UNDER_WAY - len(self._under_way)
        if room <= 0:
            return _LOOK_SECONDS
        missing = self._corrections.without_reading(live, len(self._tried) + room)
        for correction in [each for each in missing if each.number not in self._tried][:room]:
            while self._drawings.somebody_waits and not self._stopping.wait(_SECONDS_BETWEEN):
                pass
            if self._stopping.is_set() or self._live() != live or self._trial():
                return 0.0
            self._ask(correction)
            self._stopping.wait(_SECONDS_BETWEEN)
        return _LOOK_SECONDS if self._under_way else _IDLE_SECONDS

    def _ask(self, correction: Correction) -> None:
        path = self._drawings.save_again(correction.png)
        self._stream.ask(path, {"correction": str(correction.number), "purpose": PURPOSE})
        self._tried.add(correction.number)
        self._under_way[correction.number] = time.monotonic()


def _number(record: Mapping[str, Any]) -> int | None:
    """The correction that was asked for; None where whoever published the message asked for none."""
    text = record["attributes"].get("correction", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else None
