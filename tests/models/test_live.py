"""The set of live models, with real ONNX Runtime engines of tiny models: they load in milliseconds."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import live
from models.artefacts import Artefact, Vetted
from models.engines import Engine, load_engine
from models.errors import ModelFault, ModelRejected, StorageUnavailable, VettingStopped
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels, ModelsClosed
from models.reference import ModelReference, Statement
from tests.model_files import vetted_classifier

GREY = Raster(np.full((8, 8, 3), 128, np.uint8))
CLASSES = 120


class Shelf:
    """Makes models on demand, each of which favours another class, and hands them out; may be made to fail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shelf: dict[ModelReference, Vetted] = {}
        self.favours: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.troubles: list[Exception] = []

    def model(self, favours: int, uri: str = "") -> ModelReference:
        made = vetted_classifier(self._folder / str(favours), classes=CLASSES, favours=favours, uri=uri)
        self._shelf[made.reference] = made
        self.favours[made.reference.digest] = favours
        return made.reference

    def obtain(self, reference: ModelReference) -> Vetted:
        self.asked[reference.digest] += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return self._shelf[reference]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def events() -> EventLog:
    return EventLog()


@pytest.fixture
def models(shelf: Shelf, events: EventLog, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveModels]:
    monkeypatch.setattr(live, "_FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(live, "_LAST_BATCH_SECONDS", 0.2)
    models = LiveModels(shelf.obtain, events, warm_sizes=(1, 2))
    yield models
    models.close()


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def is_live(models: LiveModels, reference: ModelReference) -> bool:
    current = models.peek()
    return current is not None and current.reference == reference


def bring(models: LiveModels, reference: ModelReference, since: int) -> None:
    models.state(Statement(reference, since))
    await_that(lambda: is_live(models, reference))


def answer(model: LiveModel) -> int:
    return int(model.predict([GREY])[0].argmax())


def kinds(events: EventLog) -> list[tuple[str, str]]:
    """What became of models, without what was tried on the way."""
    tried = ("loading", "failed")
    return [(event.event, event.model_name) for event in events.drain() if event.event not in tried]


def test_what_is_stated_goes_live(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    bring(models, shelf.model(7), 1)
    assert answer(models.current()) == 7
    await_that(lambda: events.counts()["live"] == 1)
    assert [(event.event, event.model_id) for event in events.drain()] == [
        ("loading", models.current().reference.model_id),
        ("live", models.current().reference.model_id),
    ]


def test_a_model_that_cannot_be_brought_in_is_told_once_with_its_reason(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    shelf.troubles = [*[StorageUnavailable("the bucket\nis gone")] * 3, OSError("the disk is full")]
    bring(models, shelf.model(7), 1)
    await_that(lambda: events.counts()["live"] == 1)
    told = events.drain()
    assert [event.event for event in told] == ["loading", "failed", "failed", "live"]
    assert [event.reason for event in told[1:3]] == [
        "StorageUnavailable: the bucket is gone",
        "OSError: the disk is full",
    ]


def test_a_model_that_is_wanted_again_is_told_to_be_loading_again(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    one, two = shelf.model(1), shelf.model(2)
    for since, reference in enumerate((one, two, one)):
        bring(models, reference, since)
    await_that(lambda: events.counts()["live"] == 3)
    assert [event.model_id for event in events.drain() if event.event == "loading"] == [
        reference.model_id for reference in (one, two, one)
    ]


def test_the_first_model_is_waited_for(models: LiveModels, shelf: Shelf) -> None:
    got: list[LiveModel] = []
    waiting = threading.Thread(target=lambda: got.append(models.current()))
    waiting.start()
    reference = shelf.model(1)
    models.state(Statement(reference, 1))
    waiting.join()
    assert got[0].reference == reference


def test_closing_lets_go_of_who_waits_for_the_first_model(models: LiveModels) -> None:
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            models.current()
        except ModelsClosed as closed:
            failed.append(closed)

    waiting = threading.Thread(target=wait)
    waiting.start()
    models.close()
    waiting.join()
    assert failed


def test_a_batch_finishes_on_the_model_it_began_with(models: LiveModels, shelf: Shelf) -> None:
    bring(models, shelf.model(1), 1)
    taken = models.current()
    bring(models, shelf.model(2), 2)
    assert answer(taken) == 1
    assert answer(models.current()) == 2


def test_a_retired_model_is_freed_and_told(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    bring(models, shelf.model(1), 1)
    model = models.current()
    ghosts = weakref.ref(model), weakref.ref(model.engine)
    bring(models, shelf.model(2), 2)
    await_that(lambda: events.counts()["live"] == 2)
    assert kinds(events) == [("live", "m1"), ("live", "m2")]
    del model
    await_that(lambda: events.counts()["retired"] == 1)
    assert kinds(events) == [("retired", "m1")]
    gc.disable()  # it must not need the collector
    assert [ghost() for ghost in ghosts] == [None, None]
    gc.enable()
    assert models.resident() == 1


def test_a_batch_that_hangs_blocks_no_later_swap(models: LiveModels, shelf: Shelf) -> None:
    bring(models, shelf.model(1), 1)
    hung = models.current()
    for number in (2, 3, 4):
        bring(models, shelf.model(number), number)
    assert answer(hung) == 1
    assert models.resident() == 2


def test_one_load_per_version(models: LiveModels, shelf: Shelf) -> None:
    references = [shelf.model(number) for number in range(3)]
    for since in range(1, 40):
        models.state(Statement(references[0], since))
    await_that(lambda: is_live(models, references[0]))
    for since, reference in enumerate(references[1:], start=100):
        bring(models, reference, since)
    assert set(models.loads.values()) == {1}
    assert len(models.loads) == 3


def test_restating_a_model_while_it_loads_does_not_load_it_twice(shelf: Shelf, events: EventLog) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(artefact: Artefact, threads: int) -> Engine:
        loading.set()
        go_on.wait()
        return load_engine(artefact, threads)

    models = LiveModels(shelf.obtain, events, load=load)
    reference = shelf.model(1)
    models.state(Statement(reference, 1))
    loading.wait()
    models.state(Statement(reference, 2))  # another worker's watch began later and states the same
    go_on.set()
    await_that(lambda: is_live(models, reference))
    models.close()
    assert models.loads[reference.digest] == 1


def test_late_old_statements_never_make_models_ping_pong(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 10)
    bring(models, new, 20)
    for _ in range(50):
        models.state(Statement(old, 10))
        models.state(Statement(new, 20))
        models.state(Statement(old, 0))
    bring(models, shelf.model(3), 21)
    assert [name for kind, name in kinds(events) if kind == "live"] == ["m1", "m2", "m3"]
    assert models.loads.total() == 3


def test_a_rollback_to_a_resident_model_needs_no_load(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    first, second = shelf.model(1), shelf.model(2)
    bring(models, first, 1)
    held = models.current()
    bring(models, second, 2)
    bring(models, first, 3)
    assert models.current() is held
    assert models.loads[first.digest] == 1
    bring(models, second, 4)
    del held
    await_that(lambda: models.resident() == 1)
    await_that(lambda: sum(models.loads.values()) >= 2)
    models.close()
    told = Counter(kinds(events))
    assert told["live", "m1"] == 2
    assert told["retired", "m1"] == 1


def test_the_same_bytes_under_another_name_share_the_engine(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    first = shelf.model(1, uri="old.onnx")
    bring(models, first, 1)
    engine = models.current().engine
    bring(models, shelf.model(1, uri="new.onnx"), 2)
    assert models.current().engine is engine
    assert models.current().card.name == "new"
    assert models.loads[first.digest] == 1
    await_that(lambda: events.counts()["retired"] == 1)
    assert kinds(events) == [("live", "old"), ("live", "new"), ("retired", "old")]
    assert models.resident() == 1


@pytest.mark.parametrize(
    "trouble",
    [
        StorageUnavailable("503"),
        FileNotFoundError("gone mid-download"),
        MemoryError(),
        OSError(28, "No space left on device"),
        ModelRejected(ModelFault.CHANGED_WHILE_READING, "now holds other bytes"),
        RuntimeError("whatever an engine says"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_never_unloads_and_is_tried_again(
    trouble: Exception, models: LiveModels, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    bring(models, shelf.model(1), 1)
    shelf.troubles = [trouble] * 3
    wanted = shelf.model(2)
    models.state(Statement(wanted, 2))
    while shelf.troubles:
        current = models.current()
        assert answer(current) == shelf.favours[current.reference.digest]
    await_that(lambda: is_live(models, wanted))
    assert sum("is not live yet" in record.message for record in caplog.records) == 1


def test_a_failed_load_never_retags(shelf: Shelf, events: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_FIRST_RETRY_SECONDS", 0.001)
    failures = Counter[str]()

    def load(artefact: Artefact, threads: int) -> Engine:
        if artefact.folder.name == "2":
            failures["2"] += 1
            raise RuntimeError("cannot be loaded")
        return load_engine(artefact, threads)

    models = LiveModels(shelf.obtain, events, load=load)
    good, bad = shelf.model(1), shelf.model(2)
    bring(models, good, 1)
    models.state(Statement(bad, 2))
    while failures["2"] < 3:
        current = models.current()
        assert (current.reference, answer(current)) == (good, 1)
    bring(models, shelf.model(3), 3)
    assert answer(models.current()) == 3
    models.close()
    assert {name for _, name in kinds(events)} == {"m1", "m3"}


def test_a_model_that_cannot_answer_its_warm_up_does_not_go_live(
    models: LiveModels, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = shelf.model(1), shelf.model(2)
    bring(models, good, 1)
    original = shelf.obtain

    def mislabelled(reference: ModelReference) -> Vetted:
        vetted = original(reference)
        if reference != bad:
            return vetted
        spec = replace(vetted.artefact.manifest.card.input, height=5)
        card = replace(vetted.artefact.manifest.card, input=spec)
        manifest = replace(vetted.artefact.manifest, card=card, input_shape=(5, 8, 3))
        return replace(vetted, artefact=replace(vetted.artefact, manifest=manifest))

    monkeypatch.setattr(models, "_obtain", mislabelled)
    models.state(Statement(bad, 2))
    await_that(lambda: models.loads[bad.digest] >= 2)
    assert is_live(models, good)
    bring(models, shelf.model(3), 3)


def test_closing_amid_a_load_waits_for_it_and_serves_it_not(shelf: Shelf, events: EventLog) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(artefact: Artefact, threads: int) -> Engine:
        loading.set()
        go_on.wait()
        return load_engine(artefact, threads)

    models = LiveModels(shelf.obtain, events, load=load)
    models.state(Statement(shelf.model(1), 1))
    loading.wait()
    assert models.resident() == 1
    closing = threading.Thread(target=models.close)
    closing.start()
    with pytest.raises(ModelsClosed):
        models.current()
    go_on.set()
    closing.join()
    assert models.peek() is None
    assert models.resident() == 0
    assert kinds(events) == []
    models.state(Statement(shelf.model(2), 2))
    assert models.peek() is None


def test_the_end_of_vetting_ends_the_waiting_for_a_model(models: LiveModels, shelf: Shelf) -> None:
    shelf.troubles = [VettingStopped()]
    models.state(Statement(shelf.model(1), 1))
    await_that(lambda: not shelf.troubles)
    models.close()
    assert models.peek() is None


def test_a_hundred_swaps_under_load_keep_every_tag_true(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    wrong: list[Any] = []
    answered: Counter[str] = Counter()
    most_resident = 0
    done = threading.Event()

    def predict() -> None:
        while not done.is_set():
            model = models.current()
            rows = model.predict([GREY] * 3)
            digest = model.reference.digest
            if {int(row.argmax()) for row in rows} != {shelf.favours[digest]}:
                wrong.append((digest, rows))
            answered[digest] += 1

    references = [shelf.model(number) for number in range(101)]
    bring(models, references[0], 1)
    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for since, reference in enumerate(references[1:], start=2):
        models.state(Statement(reference, since))
        while not is_live(models, reference):
            most_resident = max(most_resident, models.resident())
            time.sleep(0.001)
        await_that(lambda: answered[reference.digest] > 0)  # noqa: B023 - awaited here
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert most_resident <= 2
    assert models.loads.total() == 101
    await_that(lambda: events.counts()["retired"] == 100)
    assert models.resident() == 1
