"""Tiny models made on demand, and live models that wait to be let load."""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from models.artefacts import Artefact, Vetted
from models.engines.engine import Engine
from models.engines.loading import load_engine
from models.events import EventLog
from models.live import LiveModels
from models.reference import DIGEST_DIGITS, ModelReference
from models.trials.matching import FIRST_BATCHES, Matching
from tests.model_files import vetted_classifier

CLASSES = 120


def time_no_more(matching: Matching) -> None:
    """Has a step be past its beginning, in which more batches are timed, and rest now."""
    for _ in range(FIRST_BATCHES):
        matching.first()
    matching.took(math.inf)


class Shelf:
    """Makes models on demand, each of which favours another class, and hands them out; may be made to fail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shelf: dict[ModelReference, Vetted] = {}
        self.favours: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        self.troubles: list[Exception] = []

    def model(self, favours: int, uri: str = "") -> ModelReference:
        made = vetted_classifier(self._folder / str(favours), classes=CLASSES, favours=favours, uri=uri)
        self._shelf[made.reference] = made
        self.favours[made.reference.digest] = favours
        return made.reference

    def mislabel(self, reference: ModelReference) -> None:
        """Says of a model that it takes images of another size than it does."""
        vetted = self._shelf[reference]
        spec = replace(vetted.artefact.manifest.card.input, height=5)
        card = replace(vetted.artefact.manifest.card, input=spec)
        manifest = replace(vetted.artefact.manifest, card=card, input_shape=(5, 8, 3))
        self._shelf[reference] = replace(vetted, artefact=replace(vetted.artefact, manifest=manifest))

    def obtain(self, reference: ModelReference) -> Vetted:
        self.asked[reference.digest] += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return self._shelf[reference]

    def load(self, artefact: Artefact, threads: int) -> Engine:
        self.loads[artefact.manifest.sha256[:DIGEST_DIGITS]] += 1
        return load_engine(artefact, threads)


class Gated:
    """Live models of which each is loaded only once it may."""

    def __init__(self, shelf: Shelf, events: EventLog) -> None:
        self._shelf = shelf
        self._loading: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self._allowed: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.models = LiveModels(shelf.obtain, events, warm_sizes=(1, 2), load=self._load)

    def _load(self, artefact: Artefact, threads: int) -> Engine:
        digest = artefact.manifest.sha256[:DIGEST_DIGITS]
        self._loading[digest].set()
        self._allowed[digest].wait()
        return self._shelf.load(artefact, threads)

    def await_loading(self, reference: ModelReference) -> None:
        assert self._loading[reference.digest].wait(60)

    def let_load(self, reference: ModelReference) -> None:
        self._allowed[reference.digest].set()

    def close(self) -> None:
        for allowed in list(self._allowed.values()):
            allowed.set()
        self.models.close()
