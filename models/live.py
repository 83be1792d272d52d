"""The models that answer in this process: one live, at most one more on its way in or out."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from models.artefacts import DEFAULT_LARGEST_BATCH, Artefact, Manifest, Vetted
from models.card import Card
from models.compute_threads import cores
from models.engines.engine import Engine, Outputs
from models.errors import (
    ImageError,
    ImageFault,
    ModelFailed,
    ModelGivenUp,
    ModelsClosed,
    ModelUnfit,
    NoModelAnswers,
    VettingStopped,
    typed_line,
)
from models.events import EventLog, ModelEvent
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.printable import logger
from models.reference import ModelReference, Statement
from models.tasks import interpret

_LOGGER = logger(__name__)

LAST_BATCH_SECONDS = 5.0
"""How long a swap waits for the last batches of the models before."""
FIRST_RETRY_SECONDS = 1.0
"""How long a model that could not be brought in is left alone at first; then twice as long each time."""
_LONGEST_RETRY_SECONDS = 60.0
_LONGEST_CLOSE_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_AT_ONCE_BYTES = 256 << 20
_REMEMBERED = 16
"""Models that were live, of which one may have to take over."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class LiveModel:
    """A loaded model together with the reference of its bytes: a batch takes both as one value."""

    reference: ModelReference
    manifest: Manifest
    engine: Engine

    @property
    def images_at_once(self) -> int:
        """For how many images, with their answers, there is room in this process; at least one."""
        return max(1, _AT_ONCE_BYTES // self.manifest.bytes_an_image)

    @property
    def card(self) -> Card:
        """How it wants its images, and what its outputs mean."""
        return self.manifest.card

    def predict(self, images: Sequence[Raster]) -> Outputs:
        """A row of each output for each image, of whatever size it is."""
        return self.engine.predict(model_input(images, self.manifest))

    def require_fit(self) -> None:
        """Does nothing where the model answers to its own probe image, a black one, with numbers that mean something.

        Raises:
            ModelUnfit: it does not: what went wrong was no image's fault.
            ModelsClosed: the program is ending.
        """
        [black] = _black_images(self.card, 1)
        try:
            outputs = self.predict([black])
            if not all(np.isfinite(output).all() for output in outputs):
                raise ModelUnfit(ImageFault.NON_FINITE_OUTPUT, "an answer to a black image is not finite")
            [row] = zip(*outputs, strict=True)
            interpret(row, self.manifest, black)
        except (ModelsClosed, ModelUnfit):
            raise
        except ModelGivenUp:
            return
        except (ModelFailed, ImageError) as failure:
            raise ModelUnfit(failure.fault, failure.detail) from failure
        except Exception as error:  # engines raise errors of their own kinds
            raise ModelUnfit(ImageFault.PREDICTION_FAILED, typed_line(error)) from error


class LiveModels:
    """Holds the live model, and replaces it as statements ask.

    The incoming model is fetched, loaded and warmed by a thread of its own while the old one answers; the swap is
    one assignment; a batch that took the old one finishes on it, and the last such batch frees it.

    Args:
        obtain: finds the compiled form of a model, by its reference.
        events: where `loading`, `failed`, `live`, `quarantined` and `retired` are told.
        load: makes an engine of a compiled form, for so many threads.
        warm_sizes: the batch sizes that a model is warmed at.
    """

    def __init__(
        self,
        obtain: Callable[[ModelReference], Vetted],
        events: EventLog,
        load: Callable[[Artefact, int], Engine],
        warm_sizes: Sequence[int] = (1, DEFAULT_LARGEST_BATCH),
    ) -> None:
        self._obtain = obtain
        self._events = events
        self._warm_sizes = tuple(warm_sizes)
        self._load = load
        self._changed = threading.Condition()
        self._live: LiveModel | None = None
        self._wanted: Statement | None = None
        self._were_live: list[ModelReference] = []
        self._quarantined: dict[ModelReference, str] = {}
        self._resident: weakref.WeakValueDictionary[str, LiveModel] = weakref.WeakValueDictionary()
        self._loading = 0
        self._retirements: weakref.WeakKeyDictionary[LiveModel, weakref.finalize[Any, LiveModel]]
        self._retirements = weakref.WeakKeyDictionary()
        self._retiring = 0
        self._gone: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self._closed = False
        self._thread: threading.Thread | None = None

    def follow(self, statement: Statement) -> None:
        """Takes in which model should be live; returns at once. Earlier statements than the latest are ignored."""
        with self._changed:
            if self._closed or (self._wanted is not None and statement.epoch < self._wanted.epoch):
                return
            if statement == self._wanted:
                return
            if self._wanted is None or statement.reference != self._wanted.reference:
                self._quarantined.pop(statement.reference, None)
            self._wanted = statement
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live models", daemon=True)
                self._thread.start()

    def current(self) -> LiveModel:
        """The live model; waits for one that is on its way in.

        Raises:
            ModelsClosed: `close` was called.
            NoModelAnswers: whatever could be live is quarantined.
        """
        live = self._live
        if live is not None:
            return live
        with self._changed:
            self._changed.wait_for(lambda: self._live or self._closed or self._has_none_left())
            if self._live is None:
                raise ModelsClosed if self._closed else NoModelAnswers(self._why_none_is_left())
            return self._live

    def await_any(self, seconds: float) -> bool:
        """Waits until `current` has an answer, be it an error; whether it has within so many seconds."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._live or self._closed or self._has_none_left(), seconds))

    def quarantine(self, model: LiveModel, why: ModelUnfit) -> None:
        """Takes a model out for good that fails on its own probe image: the one before takes over.

        It gets another chance once it is stated anew, after another one was.
        """
        with self._changed:
            if self._live is model:
                self._live = None
                self._on_its_way_out(model)
            self._take_out(model.reference, model.card.name, str(why))

    def is_quarantined(self, model: LiveModel) -> bool:
        """Whether a model was taken out, and has had no other chance since."""
        return model.reference in self._quarantined

    def why_none(self) -> str:
        """Why there is no live model: which one failed on its own probe image, and how; "" where none did."""
        with self._changed:
            return self._why_none_is_left() if self._quarantined else ""

    def peek(self) -> LiveModel | None:
        """The live model, or None while there is none."""
        return self._live

    def now_and_next(self) -> tuple[ModelReference | None, ModelReference | None]:
        """The live model, and that which is to replace it; None where there is none."""
        with self._changed:
            live = self._live.reference if self._live is not None else None
            wanted = self._should_be_live()
            return live, wanted if wanted != live else None

    def resident(self) -> int:
        """How many models are in memory, one that is being loaded included."""
        return len(self._resident) + self._loading

    def close(self) -> None:
        """Loads nothing more, and lets go of the live model."""
        with self._changed:
            self._closed = True
            self._live = None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_LONGEST_CLOSE_SECONDS)
        self._tell_retired()

    def _run(self) -> None:
        """Brings in what is wanted, one model after the other, until closed."""
        failures = _Failures()
        begun: object = None
        while (reference := self._next_wanted()) is not None:
            wanted = (reference, self._wanted)
            if wanted != begun:
                self._events.add(ModelEvent("loading", reference.model_id, reference.file_name))
            begun = wanted
            started = time.monotonic()
            try:
                self._bring_in(reference)
            except (VettingStopped, ModelsClosed):
                return
            except ModelUnfit as why:
                with self._changed:
                    self._take_out(reference, reference.file_name, str(why))
            except Exception as error:  # whatever it is, it may pass; the old model answers meanwhile
                seconds = failures.add(reference, error)
                if failures.is_news:
                    took = time.monotonic() - started
                    failed = ModelEvent("failed", reference.model_id, reference.file_name, typed_line(error), took)
                    self._events.add(failed)
                self._rest(reference, seconds)

    def _rest(self, reference: ModelReference, seconds: float) -> None:
        """Waits before another attempt, for as long as this model is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._is_wanted(reference), seconds)

    def _next_wanted(self) -> ModelReference | None:
        """Waits until another model than the live one is wanted; None once closed."""
        while True:
            self._tell_retired()
            with self._changed:
                if self._closed:
                    return None
                wanted = self._should_be_live()
                if wanted is not None and (self._live is None or self._live.reference != wanted):
                    return wanted
                self._changed.wait(_LOOK_SECONDS if self._retiring else None)

    def _should_be_live(self) -> ModelReference | None:
        """What is stated; while that is quarantined, what was live last and is not."""
        stated = [self._wanted.reference] if self._wanted is not None else []
        candidates = [*stated, *reversed(self._were_live)]
        return next((each for each in candidates if each not in self._quarantined), None)

    def _is_wanted(self, reference: ModelReference) -> bool:
        return self._should_be_live() == reference

    def _has_none_left(self) -> bool:
        return bool(self._quarantined) and self._should_be_live() is None

    def _why_none_is_left(self) -> str:
        reference, why = list(self._quarantined.items())[-1]
        failed = f"{reference.model_id}, failed on its own probe image: {why}"
        after = self._should_be_live()
        if after is not None:
            return f"{after.model_id} is about to take over; the model before, {failed}"
        return f"no model can answer; the last one, {failed}"

    def _take_out(self, reference: ModelReference, name: str, why: str) -> None:
        """Quarantines a model, and tells it; under the lock."""
        if reference in self._quarantined:
            return
        self._quarantined[reference] = why
        after = self._should_be_live()
        took_over = f"{after.model_id} takes over" if after is not None else "no other model is left"
        _LOGGER.warning("model quarantined: %s (%s); %s", reference.model_id, why, took_over)
        self._events.add(ModelEvent("quarantined", reference.model_id, name, f"{why}; {took_over}"))
        self._changed.notify_all()

    def _bring_in(self, wanted: ModelReference) -> None:
        started = time.monotonic()
        incoming = self._already_resident(wanted)
        try:
            if incoming is None:
                vetted = self._obtain(wanted)
                self._await_room()
                self._loading = 1
                incoming = self._loaded(vetted)
            with self._changed:
                if self._closed or not self._is_wanted(wanted):
                    return
                outgoing, self._live = self._live, incoming
                self._were_live = [*(each for each in self._were_live if each != wanted), wanted][-_REMEMBERED:]
                self._loading = 0
                self._resident[wanted.sha256] = incoming
                self._changed.notify_all()
        finally:
            self._loading = 0
        if (retirement := self._retirements.pop(incoming, None)) is not None and retirement.detach():
            self._retiring -= 1
        seconds = time.monotonic() - started
        _LOGGER.info("model live: %s after %.2f s", incoming.reference.model_id, seconds)
        self._events.add(ModelEvent("live", incoming.reference.model_id, incoming.card.name, "", seconds))
        if outgoing is not None:
            self._on_its_way_out(outgoing)

    def _on_its_way_out(self, outgoing: LiveModel) -> None:
        """Has a model that is no longer live be told as retired once the last batch has dropped it."""
        # In any thread and at any moment, even amid a lock that telling would need.
        gone = outgoing.reference.model_id, outgoing.card.name
        self._retirements[outgoing] = weakref.finalize(outgoing, self._gone.put, gone)
        self._retirements[outgoing].atexit = False
        self._retiring += 1

    def _already_resident(self, reference: ModelReference) -> LiveModel | None:
        known = self._resident.get(reference.sha256)
        if known is None or known.reference == reference:
            return known
        # The same bytes under another name: its own card, which may be named after the file, and the same engine.
        return LiveModel(reference, self._obtain(reference).artefact.manifest, known.engine)

    def _loaded(self, vetted: Vetted) -> LiveModel:
        engine = self._load(vetted.artefact, cores())
        model = LiveModel(vetted.reference, vetted.artefact.manifest, engine)
        for size in sorted({min(size, engine.largest_run, model.images_at_once) for size in self._warm_sizes}):
            try:
                model.predict(_black_images(model.card, size))
            except ModelFailed as failure:
                raise ModelUnfit(failure.fault, failure.detail) from failure
        return model

    def _await_room(self) -> None:
        """Waits a little for retired models' last batches; one that hangs must not hold up the swap for ever."""
        deadline = time.monotonic() + LAST_BATCH_SECONDS
        while self.resident() > 1 and time.monotonic() < deadline and not self._closed:
            time.sleep(0.02)

    def _tell_retired(self) -> None:
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


def _black_images(card: Card, images: int) -> list[Raster]:
    return [Raster(np.zeros((card.input.height, card.input.width, 3), np.uint8))] * images


class _Failures:
    """Of bringing in one model: how long to wait before the next attempt, and what of it is news.

    Attributes:
        is_news: whether the last failure was another than the one before.
    """

    def __init__(self) -> None:
        self._of: ModelReference | None = None
        self._seconds = FIRST_RETRY_SECONDS
        self._text = ""
        self.is_news = False

    def add(self, reference: ModelReference, error: Exception) -> float:
        """Takes in a failure and logs it, once while it stays the same; returns seconds to wait."""
        self._seconds = min(2 * self._seconds, _LONGEST_RETRY_SECONDS)
        if reference != self._of:
            self._of, self._seconds, self._text = reference, FIRST_RETRY_SECONDS, ""
        text = typed_line(error)
        self.is_news = text != self._text
        self._text = text
        level = logging.WARNING if self.is_news else logging.DEBUG
        _LOGGER.log(level, "%s is not live yet, the model stays as it is; trying again: %s", reference.model_id, text)
        return self._seconds
