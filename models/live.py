"""The models that answer in this process: one live, and at most one more, on its way in or out, or on trial."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from models.artefacts import DEFAULT_LARGEST_BATCH, Artefact, Vetted
from models.bringing_in import (
    Beginning,
    Failures,
    HearsOfTrials,
    Obstacle,
    Obstacles,
    Residents,
    Wanted,
    tell_failed,
    tell_loading,
    why_none_is_left,
)
from models.compute_threads import cores
from models.engines.engine import Engine
from models.errors import MachineFailed, ModelsClosed, ModelUnfit, NoModelAnswers, VettingStopped, typed_line
from models.events import EventLog, ModelEvent
from models.live_model import LiveModel, OnTrial
from models.printable import logger
from models.reference import ModelReference, StatedTrial, Statement

__all__ = ["FIRST_RETRY_SECONDS", "LAST_BATCH_SECONDS", "LiveModel", "LiveModels", "OnTrial"]

_LOGGER = logger(__name__)

LAST_BATCH_SECONDS = 5.0
"""How long a swap waits for the last batches of the models before."""
FIRST_RETRY_SECONDS = 1.0
"""How long a model that could not be brought in is left alone at first; then twice as long each time."""
_LONGEST_CLOSE_SECONDS = 30.0
_LOOK_SECONDS = 0.1
_REMEMBERED = 16
"""Models that were live, of which one may have to take over."""


class LiveModels:
    """Holds the live model, and replaces it as statements ask; beside it the one that a statement has tried.

    The incoming model is fetched, loaded and warmed by a thread of its own while the old one answers; the swap is
    one assignment; a batch that took the old one finishes on it, and the last such batch frees it. A model on trial
    comes after the live one, and whatever becomes of it leaves that as it is. One that is promoted goes live as it is.

    Args:
        obtain: finds the compiled form of a model, by its reference.
        events: where `loading`, `failed`, `live`, `quarantined` and `retired` are told.
        load: makes an engine of a compiled form, for so many threads.
        warm_sizes: the batch sizes that a model is warmed at.
        hears: is told what keeps a model from being tried; None where nobody asks.
    """

    def __init__(
        self,
        obtain: Callable[[ModelReference], Vetted],
        events: EventLog,
        load: Callable[[Artefact, int], Engine],
        warm_sizes: Sequence[int] = (1, DEFAULT_LARGEST_BATCH),
        hears: HearsOfTrials | None = None,
    ) -> None:
        self._obtain = obtain
        self._events = events
        self._warm_sizes = tuple(warm_sizes)
        self._load = load
        self._hears = hears
        self._changed = threading.Condition()
        self._live: LiveModel | None = None
        self._wanted: Statement | None = None
        self._were_live: list[ModelReference] = []
        self._quarantined: dict[ModelReference, str] = {}
        self._tried: LiveModel | None = None
        self._on_trial: OnTrial | None = None
        self._obstacles = Obstacles()
        self._beginning = Beginning()
        self._residents = Residents(events)
        self._loading = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def follow(self, statement: Statement) -> None:
        """Takes in which model should be live, and which is tried; returns at once.

        Earlier statements than the latest are ignored.
        """
        with self._changed:
            if self._closed or (self._wanted is not None and statement.epoch < self._wanted.epoch):
                return
            if statement == self._wanted:
                return
            if self._wanted is None or statement.reference != self._wanted.reference:
                self._quarantined.pop(statement.reference, None)
            before, trial = self._wanted.trial if self._wanted is not None else None, statement.trial
            if trial is not None and (before is None or before.number != trial.number):
                self._quarantined.pop(trial.new, None)
            if trial is None or (before is not None and before.number != trial.number):
                self._obstacles.forget()
            self._wanted = statement
            self._let_go_of_what_is_not_tried()
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
        while (live := self.peek()) is None:
            with self._changed:
                if not self._changed.wait_for(
                    lambda: self.peek() or self._closed or self._has_none_left(), _LOOK_SECONDS
                ):
                    continue
                if self._closed or self._has_none_left():
                    raise ModelsClosed if self._closed else NoModelAnswers(self._why_none_is_left())
        return live

    def on_trial(self) -> OnTrial | None:
        """The model that is tried beside the live one; None while there is none, or it is not loaded or unfit."""
        return self._on_trial

    def why_not_tried(self) -> str:
        """Why the model on trial is not tried in this process; "" while it is, is on its way in, or there is none."""
        return self._obstacles.why

    def await_any(self, seconds: float) -> bool:
        """Waits until `current` has an answer, be it an error; whether it has within so many seconds."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self.peek() or self._closed or self._has_none_left(), seconds))

    def quarantine(self, model: LiveModel, why: ModelUnfit) -> None:
        """Takes a model out for good that fails on its own probe image: the one before takes over.

        It gets another chance once it is stated anew, after another one was. One that is tried is given up for this
        trial, and the live one answers what it was tried on; that tells against it, but where it may be this machine's
        doing.
        """
        with self._changed:
            if self._live is model:
                self._live = None
                self._residents.leaves(model)
            trial = self._trial_of(model.reference)
            if trial is None:
                self._take_out(model.reference, model.card.name, str(why))
        if trial is not None:
            self._give_up(trial, model.card.name, why)

    def trouble(self, model: LiveModel, why: MachineFailed) -> None:
        """Takes in that the model on trial could not be asked here; after a few such it is given up in this process."""
        with self._changed:
            trial = self._trial_of(model.reference)
            if trial is None or self._obstacles.given_up is not None:
                return
            is_over = self._obstacles.is_one_too_many()
        if is_over:
            self._give_up(trial, model.card.name, why)
        elif self._hears is not None:
            self._hears.not_loaded(trial, str(why))

    def is_quarantined(self, model: LiveModel) -> bool:
        """Whether a model was taken out, and has had no other chance since."""
        given_up = self._obstacles.given_up
        return model.reference in self._quarantined or (given_up is not None and given_up.trial.new == model.reference)

    def why_none(self) -> str:
        """Why there is no live model: which one failed on its own probe image, and how; "" where none did."""
        with self._changed:
            return self._why_none_is_left() if self._quarantined else ""

    def peek(self) -> LiveModel | None:
        """The live model, or None while there is none, or this process begins amid a trial: see `Beginning`."""
        live = self._live
        return live if live is None or self._beginning.is_over(self._awaits_tried) else None

    def now_and_next(self) -> tuple[ModelReference | None, ModelReference | None]:
        """The live model, and that which is to replace it; None where there is none."""
        with self._changed:
            live = self._live.reference if self._live is not None else None
            wanted = self._should_be_live()
            return live, wanted if wanted != live else None

    def resident(self) -> int:
        """How many models are in memory, one that is being loaded included."""
        return self._residents.count() + self._loading

    def close(self) -> None:
        """Loads nothing more, and lets go of the live model, and of that on trial."""
        with self._changed:
            self._closed = True
            self._live = self._tried = self._on_trial = None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_LONGEST_CLOSE_SECONDS)
        self._residents.tell_retired()

    def _run(self) -> None:
        """Brings in what is wanted, one model after the other, until closed."""
        failures = Failures(FIRST_RETRY_SECONDS)
        begun: object = None
        while (wanted := self._next_wanted()) is not None:
            reference, trial = wanted
            if wanted.what != begun:
                tell_loading(self._events, wanted, self._live)
            begun = wanted.what
            started = time.monotonic()
            try:
                self._bring_in(wanted)
                begun = None
            except (VettingStopped, ModelsClosed):
                return
            except Exception as error:  # what tells nothing of the model may pass; the old one answers meanwhile
                if isinstance(error, ModelUnfit) and not (trial and isinstance(error, MachineFailed)):
                    begun = None
                    self._turn_down(wanted, error)
                    continue
                seconds, is_news = failures.add(reference, error)
                self._failed(wanted, error, is_news, time.monotonic() - started)
                with self._changed:
                    self._changed.wait_for(partial(self._is_settled, wanted), seconds)

    def _turn_down(self, wanted: Wanted, why: ModelUnfit) -> None:
        """Brings a model in no more that does not answer."""
        reference, trial = wanted
        if trial is not None:
            self._give_up(trial, reference.file_name, why)
            return
        with self._changed:
            self._take_out(reference, reference.file_name, str(why))

    def _failed(self, wanted: Wanted, error: Exception, is_news: bool, seconds: float) -> None:
        """Tells that a model could not be brought in, once while it is for the same reason."""
        (reference, trial), why = wanted, typed_line(error)
        tell_failed(self._events, wanted, why, is_news, seconds)
        if trial is None:
            return
        with self._changed:
            if self._trial_of(reference) is not None:
                self._obstacles.not_loaded = Obstacle(trial, why)
        if is_news and self._hears is not None:
            self._hears.not_loaded(trial, why)

    def _next_wanted(self) -> Wanted | None:
        """Waits until another model is wanted than those that are there; None once closed."""
        while True:
            self._residents.tell_retired()
            with self._changed:
                if self._closed:
                    return None
                if (wanted := self._missing()) is not None:
                    return wanted
                self._changed.wait(_LOOK_SECONDS if self._residents.is_any_leaving() else None)

    def _missing(self) -> Wanted | None:
        """What is to be brought in next: the live model first, always."""
        live = self._should_be_live()
        if live is not None and (self._live is None or self._live.reference != live):
            return Wanted(live, None)
        trial = self._to_be_tried()
        if trial is not None and self._live is not None and self._tried is None:
            return Wanted(trial.new, trial)
        return None

    def _is_settled(self, wanted: Wanted) -> bool:
        """Whether a model need not be brought in any more."""
        missing = self._missing()
        return self._closed or missing is None or missing.what != wanted.what

    def _should_be_live(self) -> ModelReference | None:
        """What is stated; while that is quarantined, what was live last and is not."""
        stated = [self._wanted.reference] if self._wanted is not None else []
        candidates = [*stated, *reversed(self._were_live)]
        return next((each for each in candidates if each not in self._quarantined), None)

    def _to_be_tried(self) -> StatedTrial | None:
        trial = self._wanted.trial if self._wanted is not None else None
        return trial if trial is not None and self._obstacles.given_up is None and self._trial_of(trial.new) else None

    def _awaits_tried(self) -> bool:
        return self._to_be_tried() is not None and self._tried is None and not self._obstacles.why

    def _trial_of(self, reference: ModelReference) -> StatedTrial | None:
        """The trial of that model, where it is tried and not live besides."""
        wanted = self._wanted
        if wanted is None or wanted.trial is None or wanted.trial.new != reference or wanted.reference == reference:
            return None
        return wanted.trial

    def _has_none_left(self) -> bool:
        return bool(self._quarantined) and self._should_be_live() is None

    def _why_none_is_left(self) -> str:
        return why_none_is_left(self._quarantined, self._should_be_live())

    def _take_out(self, reference: ModelReference, name: str, why: str) -> None:
        """Quarantines a model, and tells it; under the lock."""
        if reference in self._quarantined:
            return
        self._quarantined[reference] = why
        after = self._should_be_live()
        what_then = f"{after.model_id} takes over" if after else "no other model is left"
        self._tell_quarantined(reference, name, why, what_then)

    def _give_up(self, trial: StatedTrial, name: str, why: ModelUnfit) -> None:
        """Has a model be tried no more in this trial, and tells it."""
        with self._changed:
            if self._obstacles.given_up is not None or self._trial_of(trial.new) is None:
                return
            self._obstacles.given_up = Obstacle(trial, str(why))
            self._let_go_of_what_is_not_tried()
            self._tell_quarantined(trial.new, name, str(why), "the live model answers what it was tried on")
        if self._hears is not None:
            hear = self._hears.not_loaded if isinstance(why, MachineFailed) else self._hears.unfit
            hear(trial, str(why))

    def _tell_quarantined(self, reference: ModelReference, name: str, why: str, what_then: str) -> None:
        _LOGGER.warning("model quarantined: %s (%s); %s", reference.model_id, why, what_then)
        self._events.add(ModelEvent("quarantined", reference.model_id, name, f"{why}; {what_then}"))
        self._changed.notify_all()

    def _let_go_of_what_is_not_tried(self) -> None:
        """Under the lock; a model that is promoted stays where it is until it is live."""
        trial, tried = self._to_be_tried(), self._tried
        promoted = self._wanted.reference if self._wanted is not None else None
        if tried is not None and tried.reference not in (trial.new if trial is not None else None, promoted):
            self._residents.leaves(tried)
            tried = self._tried = None
        is_ready = tried is not None and trial is not None and tried.reference == trial.new
        self._on_trial = OnTrial(tried, trial) if is_ready and tried is not None and trial is not None else None

    def _bring_in(self, wanted: Wanted) -> None:
        started = time.monotonic()
        incoming = self._already_resident(wanted.reference)
        try:
            if incoming is None:
                vetted = self._obtain(wanted.reference)
                self._make_room(wanted)
                self._loading = 1
                incoming = LiveModel(vetted.reference, vetted.artefact.manifest, self._load(vetted.artefact, cores()))
                incoming.warm(self._warm_sizes)
            with self._changed:
                if self._is_settled(wanted):
                    return
                self._loading = 0
                seconds = time.monotonic() - started
                if wanted.trial is None:  # first, so that whoever sees an answer of it is told that it is live
                    name = incoming.card.name
                    self._events.add(ModelEvent("live", incoming.reference.model_id, name, "", seconds))
                self._residents.stays(incoming)
                self._put_in_place(incoming, wanted)
                self._let_go_of_what_is_not_tried()
                self._changed.notify_all()
        finally:
            self._loading = 0
        what = "live" if wanted.trial is None else "on trial"
        _LOGGER.info("model %s: %s after %.2f s", what, incoming.reference.model_id, seconds)

    def _put_in_place(self, incoming: LiveModel, wanted: Wanted) -> None:
        """Makes a model the live one, or that on trial; under the lock."""
        if wanted.trial is not None:
            self._tried, self._obstacles.not_loaded = incoming, None
            return
        if self._live is not None:
            self._residents.leaves(self._live)
        self._live = incoming
        reference = incoming.reference
        self._were_live = [*(each for each in self._were_live if each != reference), reference][-_REMEMBERED:]
        if self._tried is incoming:
            self._tried = None

    def _already_resident(self, reference: ModelReference) -> LiveModel | None:
        known = self._residents.find(reference.sha256)
        if known is None or known.reference == reference:
            return known
        # The same bytes under another name: its own card, which may be named after the file, and the same engine.
        return LiveModel(reference, self._obtain(reference).artefact.manifest, known.engine)

    def _make_room(self, wanted: Wanted) -> None:
        """Waits a little for retired models' last batches; one that hangs must not hold up the swap for ever.

        Where a third one would come, that on trial gives way to the live one, and waits longer than that.
        """
        with self._changed:
            if wanted.trial is None and self._live is not None and self._tried is not None:
                self._residents.leaves(self._tried)
                self._tried = self._on_trial = None
        deadline = time.monotonic() + LAST_BATCH_SECONDS
        while self.resident() > 1 and time.monotonic() < deadline and not self._closed:
            time.sleep(0.02)
        if wanted.trial is not None and self.resident() > 1 and not self._closed:
            raise RuntimeError("a model before is still held by its last batch, and there is room for two")
