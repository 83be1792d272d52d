"""Live models that answer a batch only once they may, and tell what they were asked."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Artefact
from models.engines.engine import Engine, Outputs
from models.engines.loading import load_engine
from models.errors import ImageFault, ModelFailed
from models.events import EventLog
from models.live import LiveModel, LiveModels
from models.reference import ModelReference, Statement
from tests.models.live_bench import Shelf
from tests.waiting import eventually

POISON = 200.0
"""A row that begins with it makes the model fail."""
NUMBNESS = 300.0
"""A row that begins with it gets no number for an answer."""


class HeldModels:
    """Real tiny models behind a gate.

    Attributes:
        live: they.
        batches: sizes of the batches that were begun, warm-ups left out.
        asked: how many of them each model was asked, by its digest.
        gate: open or shut.
        broken: digests of models that fail whatever they are asked.
        numb: digests of models whose answers are no numbers any more.
        largest_run: images that those which are brought then compute at once; None for as many as its engine does.
    """

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder)
        self._epoch = 0
        self.batches: list[int] = []
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()
        self._counts = False
        self.broken: set[str] = set()
        self.numb: set[str] = set()
        self.largest_run: int | None = None
        self.live = LiveModels(self._shelf.obtain, EventLog(), self._load, warm_sizes=(1,))

    def bring(self, favours: int) -> ModelReference:
        """Has a model be live whose every answer is one class."""
        reference = self._shelf.model(favours)
        self._counts = False
        self._epoch += 1
        self.live.follow(Statement(reference, self._epoch))
        eventually(lambda: self._is_live(reference), "the model to be live")
        self._counts = True
        return reference

    def await_batches(self, count: int) -> None:
        """Waits until so many batches were begun."""
        eventually(lambda: len(self.batches) >= count, f"{count} batches")

    def now(self) -> LiveModel:
        """The live model."""
        return self.live.current()

    def _is_live(self, reference: ModelReference) -> bool:
        current = self.live.peek()
        return current is not None and current.reference == reference

    def _load(self, artefact: Artefact, threads: int) -> Engine:
        return _Held(self, artefact.manifest.sha256, load_engine(artefact, threads))

    def begun(self, sha256: str, images: int) -> None:
        """A batch is to be computed by a model: counts it, and waits for the gate."""
        if self._counts:
            self.batches.append(images)
            self.asked[sha256] += 1
            self.gate.wait(60)


class _Held:
    def __init__(self, models: HeldModels, sha256: str, engine: Engine) -> None:
        self._models = models
        self._sha256 = sha256
        self._engine = engine
        self.largest_run = models.largest_run or engine.largest_run

    def predict(self, batch: NDArray[Any]) -> Outputs:
        self._models.begun(self._sha256, len(batch))
        if self._sha256 in self._models.broken or (batch[:, 0, 0, 0] == np.float32(POISON)).any():
            raise ModelFailed(ImageFault.MODEL_CRASHED, "its process ended")
        (scores,) = self._engine.predict(batch)
        is_numb = (batch[:, 0, 0, 0] == np.float32(NUMBNESS)) | (self._sha256 in self._models.numb)
        return (np.where(is_numb[:, None], np.float32(np.nan), scores),)
