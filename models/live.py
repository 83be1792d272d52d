"""The models that answer in this process: one live, at most one more on its way in or out."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Artefact, Manifest
from models.card import Card
from models.engines import Engine, load_engine
from models.errors import ModelRejected
from models.events import EventLog, ModelEvent
from models.model_input import model_input
from models.reference import ModelReference, Statement
from models.vetting import Vetted
from models.vetting.child_process import VettingStopped

_LOGGER = logging.getLogger(__name__)

_LAST_BATCH_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0


class ModelsClosed(Exception):  # noqa: N818 - the program is ending, nothing failed
    """The program is ending and no model will answer any more."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class LiveModel:
    """A loaded model together with the reference of its bytes: a batch takes both as one value."""

    reference: ModelReference
    manifest: Manifest
    engine: Engine

    @property
    def card(self) -> Card:
        """How it wants its images, and what its outputs mean."""
        return self.manifest.card

    def predict(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[Any]:
        """One output row for each image; images are RGB, uint8, (height, width, 3), of any size."""
        return self.engine.predict(model_input(images, self.manifest))


class LiveModels:
    """Holds the live model, and replaces it as statements ask.

    The incoming model is fetched, loaded and warmed by a thread of its own while the old one answers; the swap is
    one assignment; a batch that took the old one finishes on it, and the last such batch frees it.

    Args:
        obtain: finds the compiled form of a model, by its reference.
        events: where `live` and `retired` are told.
        warm_sizes: the batch sizes that a model is warmed at.
        load: makes an engine of a compiled form.
    """

    def __init__(
        self,
        obtain: Callable[[ModelReference], Vetted],
        events: EventLog,
        warm_sizes: Sequence[int] = (1, 32),
        load: Callable[[Artefact, int], Engine] = load_engine,
    ) -> None:
        self._obtain = obtain
        self._events = events
        self._warm_sizes = tuple(warm_sizes)
        self._load = load
        self._changed = threading.Condition()
        self._live: LiveModel | None = None
        self._wanted: Statement | None = None
        self._resident: weakref.WeakValueDictionary[str, LiveModel] = weakref.WeakValueDictionary()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.loads: Counter[str] = Counter()

    def state(self, statement: Statement) -> None:
        """Takes in which model should be live; returns at once. Older statements than the newest are ignored."""
        with self._changed:
            if self._closed or (self._wanted is not None and statement.since < self._wanted.since):
                return
            if statement == self._wanted:
                return
            self._wanted = statement
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="live models", daemon=True)
                self._thread.start()

    def current(self) -> LiveModel:
        """The live model; waits for the first one.

        Raises:
            ModelsClosed: `close` was called before there was one.
        """
        live = self._live
        if live is not None:
            return live
        with self._changed:
            self._changed.wait_for(lambda: self._live or self._closed)
            if self._live is None:
                raise ModelsClosed
            return self._live

    def peek(self) -> LiveModel | None:
        """The live model, or None while there is none."""
        return self._live

    def resident(self) -> int:
        """How many models are in memory."""
        return len(self._resident)

    def close(self) -> None:
        """Loads nothing more, and lets go of the live model."""
        with self._changed:
            self._closed = True
            self._live = None
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        """Brings in what is wanted, one model after the other, until closed."""
        retry_seconds = _FIRST_RETRY_SECONDS
        given_up: Statement | None = None
        while True:
            with self._changed:
                while not self._closed and self._wanted in (None, given_up, self._answered()):
                    self._changed.wait()
                if self._closed or self._wanted is None:
                    return
                wanted = self._wanted
            try:
                self._bring_in(wanted)
                retry_seconds = _FIRST_RETRY_SECONDS
            except VettingStopped:
                return
            except (FileNotFoundError, ModelRejected) as error:
                _LOGGER.warning("%s cannot go live, the model stays as it is: %s", wanted.reference.model_id, error)
                given_up = wanted
            except Exception as error:  # storage or memory trouble passes; the old model answers meanwhile
                _LOGGER.warning(
                    "%s is not live yet, trying again in %.0f s: %s",
                    wanted.reference.model_id,
                    retry_seconds,
                    error,
                )
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._wanted is not wanted, retry_seconds)  # noqa: B023
                retry_seconds = min(2 * retry_seconds, _LONGEST_RETRY_SECONDS)

    def _answered(self) -> Statement | None:
        """The wanted statement, if the live model answers it."""
        if self._live is not None and self._wanted is not None and self._live.reference == self._wanted.reference:
            return self._wanted
        return None

    def _bring_in(self, wanted: Statement) -> None:
        started = time.monotonic()
        incoming = self._already_resident(wanted.reference)
        if incoming is None:
            vetted = self._obtain(wanted.reference)
            self._await_room()
            incoming = self._loaded(vetted)
        with self._changed:
            if self._closed or self._wanted is not wanted:
                return
            outgoing, self._live = self._live, incoming
            self._resident[incoming.reference.digest] = incoming
            self._changed.notify_all()
        seconds = time.monotonic() - started
        _LOGGER.info("model live: %s after %.2f s", incoming.reference.model_id, seconds)
        self._events.add(ModelEvent("live", incoming.reference.model_id, incoming.card.name, "", seconds))
        if outgoing is not None:
            shared_engine = outgoing.engine is incoming.engine
            weakref.finalize(outgoing, self._retired, outgoing.reference.model_id, outgoing.card.name).atexit = False
            kind = outgoing.manifest.engine
            del outgoing
            if not shared_engine:
                _give_memory_back(kind)

    def _already_resident(self, reference: ModelReference) -> LiveModel | None:
        known = self._resident.get(reference.digest)
        if known is None or known.reference == reference:
            return known
        return LiveModel(reference, known.manifest, known.engine)

    def _loaded(self, vetted: Vetted) -> LiveModel:
        digest = vetted.reference.digest
        engine = self._load(vetted.artefact, os.cpu_count() or 1)
        self.loads[digest] += 1
        model = LiveModel(vetted.reference, vetted.artefact.manifest, engine)
        spec = model.card.input
        for size in self._warm_sizes:
            model.predict([np.zeros((spec.height, spec.width, 3), np.uint8)] * size)
        return model

    def _await_room(self) -> None:
        """Waits a little for retired models' last batches; one that hangs must not hold up the swap for ever."""
        deadline = time.monotonic() + _LAST_BATCH_SECONDS
        while self.resident() > 1 and time.monotonic() < deadline and not self._closed:
            time.sleep(0.02)

    def _retired(self, model_id: str, name: str) -> None:
        _LOGGER.info("model retired: %s", model_id)
        self._events.add(ModelEvent("retired", model_id, name))


def _give_memory_back(engine: str) -> None:
    if engine == "tensorflow":
        gc.collect()  # SavedModels are cycles of Python objects
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
