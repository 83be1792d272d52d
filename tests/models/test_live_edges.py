"""Models on their way in: the unwanted neither answers nor holds its successor up; what is known of both."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from models import live
from models.artefacts import Artefact, Vetted
from models.engines.engine import Engine, Outputs
from models.engines.loading import load_engine
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModels
from models.reference import ModelReference, Statement
from models.storage.errors import StorageUnavailable
from tests.model_files import vetted_classifier
from tests.models.live_bench import Gated, Shelf
from tests.waiting import eventually

GREY = Raster(np.full((8, 8, 3), 128, np.uint8))


def answering(models: LiveModels) -> ModelReference | None:
    current = models.peek()
    return current.reference if current else None


@pytest.fixture
def shelf(tmp_path: Path) -> dict[ModelReference, Vetted]:
    """Three models, each of which favours the class of its number."""
    made = [vetted_classifier(tmp_path / str(number), classes=4, favours=number) for number in range(3)]
    return {vetted.reference: vetted for vetted in made}


def test_a_model_that_was_overtaken_while_it_loaded_never_answers(shelf: dict[ModelReference, Vetted]) -> None:
    old, overtaken, newest = shelf
    loading, may_end = threading.Event(), threading.Event()

    def load(artefact: Artefact, threads: int) -> Engine:
        if artefact == shelf[overtaken].artefact:
            loading.set()
            assert may_end.wait(60)
        return load_engine(artefact, threads)

    events = EventLog()
    models = LiveModels(shelf.__getitem__, events, load, (1,))
    try:
        models.follow(Statement(old, 1))
        eventually(lambda: answering(models) == old, "old to answer")
        models.follow(Statement(overtaken, 2))
        assert loading.wait(60)
        models.follow(Statement(newest, 3))
        may_end.set()
        eventually(lambda: answering(models) == newest, "newest to answer")
        eventually(lambda: events.counts()["live"] == 2, "live")
        told = [event.model_id for event in events.drain() if event.event == "live"]
        assert told == [old.model_id, newest.model_id]
        assert models.current().predict([GREY])[0].argmax() == 2
    finally:
        may_end.set()
        models.close()


@pytest.mark.parametrize("overtakes", [True, False])
def test_a_model_that_cannot_be_had_keeps_neither_a_successor_nor_the_end_waiting(
    overtakes: bool, shelf: dict[ModelReference, Vetted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 3600.0)
    broken, successor, _ = shelf

    def obtain(reference: ModelReference) -> Vetted:
        if reference == broken:
            raise StorageUnavailable("the bucket is gone")
        return shelf[reference]

    events = EventLog()
    models = LiveModels(obtain, events, load_engine, (1,))
    try:
        models.follow(Statement(broken, 1))
        eventually(lambda: events.counts()["failed"], "failed")
        if overtakes:
            models.follow(Statement(successor, 2))
            eventually(lambda: answering(models) == successor, "successor to answer")
    finally:
        started = time.monotonic()
        models.close()
    assert time.monotonic() - started < 25  # it gives up on its thread after thirty


def test_a_statement_from_the_past_that_names_the_live_model_changes_nothing(
    shelf: dict[ModelReference, Vetted],
) -> None:
    old, new, _ = shelf
    events = EventLog()
    loaded: list[Artefact] = []

    def load(artefact: Artefact, threads: int) -> Engine:
        loaded.append(artefact)
        return load_engine(artefact, threads)

    models = LiveModels(shelf.__getitem__, events, load, (1,))
    try:
        models.follow(Statement(old, 1))
        eventually(lambda: answering(models) == old, "old to answer")
        models.follow(Statement(new, 2))
        models.follow(Statement(old, 1))
        eventually(lambda: answering(models) == new, "new to answer")
        models.follow(Statement(new, 2))
        eventually(lambda: events.counts()["retired"] == 1, "retired")
        assert events.counts()["live"] == 2
        assert models.resident() == 1
        assert loaded == [shelf[old].artefact, shelf[new].artefact]
    finally:
        models.close()


def test_a_model_is_warmed_at_each_size_once_and_never_beyond_its_largest_run(
    shelf: dict[ModelReference, Vetted],
) -> None:
    ran: list[int] = []

    class Noting:
        largest_run = 8

        def predict(self, batch: np.ndarray) -> Outputs:
            ran.append(len(batch))
            return (np.zeros((len(batch), 4), np.float32),)

    models = LiveModels(shelf.__getitem__, EventLog(), lambda *_: Noting(), (1, 4, 32, 16))
    try:
        models.follow(Statement(next(iter(shelf)), 1))
        models.current()
        assert ran == [1, 4, 8]
    finally:
        models.close()


def test_it_is_known_which_model_is_live_and_which_is_to_replace_it(tmp_path: Path) -> None:
    made = Shelf(tmp_path)
    first, second = made.model(1), made.model(2)
    with contextlib.closing(Gated(made, EventLog())) as gated:
        assert gated.models.now_and_next() == (None, None)
        gated.let_load(first)
        gated.models.follow(Statement(first, 1))
        eventually(lambda: gated.models.now_and_next() == (first, None), "the first to answer")
        gated.models.follow(Statement(second, 2))
        gated.await_loading(second)
        assert gated.models.now_and_next() == (first, second)
        gated.let_load(second)
        eventually(lambda: gated.models.now_and_next() == (second, None), "the second to answer")
