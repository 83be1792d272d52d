"""The set of live models, with real ONNX Runtime engines of tiny models: they load in milliseconds."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import live
from models.artefacts import Artefact
from models.engines.engine import Engine
from models.engines.loading import load_engine
from models.errors import ModelFault, ModelRejected, ModelsClosed, VettingStopped
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.reference import ModelReference, Statement
from models.storage.errors import StorageUnavailable
from tests.models.live_bench import Gated, Shelf
from tests.waiting import eventually

GREY = Raster(np.full((8, 8, 3), 128, np.uint8))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def events() -> EventLog:
    return EventLog()


@pytest.fixture
def models(shelf: Shelf, events: EventLog, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveModels]:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(live, "LAST_BATCH_SECONDS", 0.2)
    models = LiveModels(shelf.obtain, events, warm_sizes=(1, 2), load=shelf.load)
    yield models
    models.close()


@pytest.fixture
def gated(shelf: Shelf, events: EventLog) -> Iterator[Gated]:
    gated = Gated(shelf, events)
    yield gated
    gated.close()


def is_live(models: LiveModels, reference: ModelReference) -> bool:
    current = models.peek()
    return current is not None and current.reference == reference


def await_live(models: LiveModels, reference: ModelReference) -> None:
    eventually(lambda: is_live(models, reference), f"{reference.model_id} to be live")


def bring(models: LiveModels, reference: ModelReference, epoch: int) -> None:
    models.follow(Statement(reference, epoch))
    await_live(models, reference)


def answer(model: LiveModel) -> int:
    return int(model.predict([GREY])[0].argmax())


def kinds(events: EventLog) -> list[tuple[str, str]]:
    """What became of models, without what was tried on the way."""
    tried = ("loading", "failed")
    return [(event.event, event.model_name) for event in events.drain() if event.event not in tried]


def test_what_is_stated_goes_live(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    bring(models, shelf.model(7), 1)
    assert answer(models.current()) == 7
    eventually(lambda: events.counts()["live"] == 1, "the event live")
    assert [(event.event, event.model_id) for event in events.drain()] == [
        ("loading", models.current().reference.model_id),
        ("live", models.current().reference.model_id),
    ]


def test_a_model_that_cannot_be_brought_in_is_told_once_with_its_reason(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    shelf.troubles = [*[StorageUnavailable("the bucket\nis gone")] * 3, OSError("the disk is full")]
    bring(models, shelf.model(7), 1)
    eventually(lambda: events.counts()["live"] == 1, "the event live")
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
    for epoch, reference in enumerate((one, two, one)):
        bring(models, reference, epoch)
    eventually(lambda: events.counts()["live"] == 3, "the event live")
    assert [event.model_id for event in events.drain() if event.event == "loading"] == [
        reference.model_id for reference in (one, two, one)
    ]


def test_the_first_model_is_waited_for(models: LiveModels, shelf: Shelf) -> None:
    got: list[LiveModel] = []
    waiting = threading.Thread(target=lambda: got.append(models.current()))
    waiting.start()
    reference = shelf.model(1)
    models.follow(Statement(reference, 1))
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
    eventually(lambda: events.counts()["live"] == 2, "the event live")
    assert kinds(events) == [("live", "m1"), ("live", "m2")]
    del model
    eventually(lambda: events.counts()["retired"] == 1, "the event retired")
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
    for epoch in range(1, 40):
        models.follow(Statement(references[0], epoch))
    await_live(models, references[0])
    for epoch, reference in enumerate(references[1:], start=100):
        bring(models, reference, epoch)
    assert set(shelf.loads.values()) == {1}
    assert len(shelf.loads) == 3


def test_restating_a_model_while_it_loads_does_not_load_it_twice(gated: Gated, shelf: Shelf) -> None:
    reference = shelf.model(1)
    gated.models.follow(Statement(reference, 1))
    gated.await_loading(reference)
    gated.models.follow(Statement(reference, 2))  # another worker's watch began later and states the same
    gated.let_load(reference)
    await_live(gated.models, reference)
    gated.models.close()
    assert shelf.loads[reference.digest] == 1


def test_late_old_statements_never_make_models_ping_pong(gated: Gated, shelf: Shelf, events: EventLog) -> None:
    old, new = shelf.model(1), shelf.model(2)
    gated.let_load(old)
    bring(gated.models, old, 10)
    gated.models.follow(Statement(new, 20))
    gated.await_loading(new)
    gated.models.follow(Statement(old, 10))
    gated.models.follow(Statement(old, 0))
    gated.let_load(new)
    await_live(gated.models, new)
    gated.models.close()
    assert [name for kind, name in kinds(events) if kind == "live"] == ["m1", "m2"]
    assert shelf.loads.total() == 2


def test_a_model_that_is_no_longer_wanted_once_loaded_never_answers(
    gated: Gated, shelf: Shelf, events: EventLog
) -> None:
    first, overtaken, wanted = shelf.model(1), shelf.model(2), shelf.model(3)
    gated.let_load(first)
    bring(gated.models, first, 1)
    gated.models.follow(Statement(overtaken, 2))
    gated.await_loading(overtaken)
    gated.models.follow(Statement(wanted, 3))
    gated.let_load(overtaken)
    gated.await_loading(wanted)  # by now the one before is loaded and has been decided upon
    assert is_live(gated.models, first)
    gated.let_load(wanted)
    await_live(gated.models, wanted)
    gated.models.close()
    assert ("live", "m2") not in kinds(events)


def test_a_first_model_that_is_no_longer_wanted_once_loaded_never_answers(gated: Gated, shelf: Shelf) -> None:
    overtaken, wanted = shelf.model(1), shelf.model(2)
    gated.models.follow(Statement(overtaken, 1))
    gated.await_loading(overtaken)
    gated.models.follow(Statement(wanted, 2))
    gated.let_load(overtaken)
    gated.await_loading(wanted)
    assert gated.models.peek() is None
    gated.let_load(wanted)
    assert gated.models.current().reference == wanted


def test_a_rollback_to_a_resident_model_needs_no_load(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    first, second = shelf.model(1), shelf.model(2)
    bring(models, first, 1)
    held = models.current()
    bring(models, second, 2)
    bring(models, first, 3)
    assert models.current() is held
    assert shelf.loads[first.digest] == 1
    bring(models, second, 4)
    del held
    eventually(lambda: models.resident() == 1, "one model in memory")
    eventually(lambda: sum(shelf.loads.values()) >= 2, "two loads")
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
    assert shelf.loads[first.digest] == 1
    eventually(lambda: events.counts()["retired"] == 1, "the event retired")
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
    models.follow(Statement(wanted, 2))
    while shelf.troubles:
        current = models.current()
        assert answer(current) == shelf.favours[current.reference.digest]
    await_live(models, wanted)
    assert sum("is not live yet" in record.message for record in caplog.records) == 1


def test_a_failed_load_never_retags(shelf: Shelf, events: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 0.001)
    failures = Counter[str]()

    def load(artefact: Artefact, threads: int) -> Engine:
        if artefact.folder.name == "2":
            failures["2"] += 1
            raise RuntimeError("cannot be loaded")
        return load_engine(artefact, threads)

    models = LiveModels(shelf.obtain, events, load=load)
    good, bad = shelf.model(1), shelf.model(2)
    bring(models, good, 1)
    models.follow(Statement(bad, 2))
    while failures["2"] < 3:
        current = models.current()
        assert (current.reference, answer(current)) == (good, 1)
    bring(models, shelf.model(3), 3)
    assert answer(models.current()) == 3
    models.close()
    assert {name for _, name in kinds(events)} == {"m1", "m3"}


def test_a_model_that_cannot_answer_its_warm_up_does_not_go_live(models: LiveModels, shelf: Shelf) -> None:
    good, bad = shelf.model(1), shelf.model(2)
    bring(models, good, 1)
    shelf.mislabel(bad)
    models.follow(Statement(bad, 2))
    eventually(lambda: shelf.loads[bad.digest] >= 2, "a second attempt")
    assert is_live(models, good)
    bring(models, shelf.model(3), 3)


def test_closing_amid_a_load_waits_for_it_and_serves_it_not(gated: Gated, shelf: Shelf, events: EventLog) -> None:
    models, reference = gated.models, shelf.model(1)
    models.follow(Statement(reference, 1))
    gated.await_loading(reference)
    assert models.resident() == 1
    closing = threading.Thread(target=models.close)
    closing.start()
    with pytest.raises(ModelsClosed):
        models.current()
    gated.let_load(reference)
    closing.join()
    assert models.peek() is None
    assert models.resident() == 0
    assert kinds(events) == []
    models.follow(Statement(shelf.model(2), 2))
    assert models.peek() is None


def test_the_end_of_vetting_ends_the_waiting_for_a_model(models: LiveModels, shelf: Shelf) -> None:
    shelf.troubles = [VettingStopped()]
    models.follow(Statement(shelf.model(1), 1))
    eventually(lambda: not shelf.troubles, "the end of vetting")
    models.close()
    assert models.peek() is None


def test_a_hundred_swaps_under_load_keep_every_tag_true(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    wrong: list[Any] = []
    answered: Counter[str] = Counter()
    resident: list[int] = []
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
    for epoch, reference in enumerate(references[1:], start=2):
        models.follow(Statement(reference, epoch))

        def is_in(reference: ModelReference = reference) -> bool:
            resident.append(models.resident())
            return is_live(models, reference)

        eventually(is_in, "the swap")
        eventually(lambda: answered[reference.digest] > 0, "an answer")  # noqa: B023 - awaited here
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert max(resident) <= 2
    assert shelf.loads.total() == 101
    eventually(lambda: events.counts()["retired"] == 100, "a hundred retirements")
    assert models.resident() == 1
