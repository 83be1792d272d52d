"""A model on trial beside the live one: real ONNX Runtime engines of tiny models, and whatever befalls them."""

from __future__ import annotations

import random
import threading
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
from models.errors import ImageFault, ModelFault, ModelRejected, ModelUnfit
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.reference import ModelReference, StatedTrial, Statement
from models.storage.errors import StorageUnavailable
from models.storage.local_objects import LocalObjects
from models.trials.evidence import Evidence
from models.trials.gathering import Gathering
from models.trials.kept import KeptTrials
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
def kept(tmp_path: Path) -> KeptTrials:
    return KeptTrials(LocalObjects(tmp_path / "registry"), "trials/")


@pytest.fixture
def gathering(kept: KeptTrials) -> Iterator[Gathering]:
    gathering = Gathering(kept, write_seconds=0.01)
    yield gathering
    gathering.close()


@pytest.fixture
def models(
    shelf: Shelf, events: EventLog, gathering: Gathering, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveModels]:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(live, "LAST_BATCH_SECONDS", 0.2)
    models = LiveModels(shelf.obtain, events, shelf.load, (1, 2), gathering)
    yield models
    models.close()


@pytest.fixture
def gated(shelf: Shelf, events: EventLog) -> Iterator[Gated]:
    gated = Gated(shelf, events)
    yield gated
    gated.close()


def canary(new: ModelReference, number: int = 2, share: float = 0.1) -> StatedTrial:
    return StatedTrial(number, new, "canary", share)


def answer(model: LiveModel) -> int:
    return int(model.predict([GREY])[0].argmax())


def live_now(models: LiveModels) -> ModelReference | None:
    current = models.peek()
    return current.reference if current else None


def tried_now(models: LiveModels) -> ModelReference | None:
    on_trial = models.on_trial()
    return on_trial.model.reference if on_trial else None


def bring(models: LiveModels, old: ModelReference, epoch: int, trial: StatedTrial | None = None) -> None:
    models.follow(Statement(old, epoch, trial))
    new = trial.new if trial else None
    eventually(lambda: live_now(models) == old and tried_now(models) == new, f"{old} to be live and {new} tried")


def told(events: EventLog) -> list[tuple[str, str]]:
    return [(event.event, event.model_name) for event in events.drain()]


def unfit() -> ModelUnfit:
    return ModelUnfit(ImageFault.MODEL_CRASHED, "its process ended")


def test_a_model_on_trial_is_loaded_beside_and_the_live_one_stays_live(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 1)
    bring(models, old, 2, canary(new))
    on_trial = models.on_trial()
    assert on_trial is not None
    assert (answer(models.current()), answer(on_trial.model)) == (1, 2)
    assert on_trial.trial == canary(new)
    assert models.resident() == 2
    assert models.now_and_next() == (old, None)
    assert models.why_not_tried() == ""
    assert told(events) == [("loading", "m1"), ("live", "m1"), ("loading", "m2")]


def test_the_live_model_comes_first_where_a_process_begins_amid_a_trial(gated: Gated, shelf: Shelf) -> None:
    old, new = shelf.model(1), shelf.model(2)
    gated.models.follow(Statement(old, 5, canary(new)))
    gated.await_loading(old)
    assert shelf.asked[new.digest] == 0
    gated.let_load(old)
    gated.await_loading(new)
    assert gated.models.current().reference == old
    assert gated.models.on_trial() is None
    gated.let_load(new)
    eventually(lambda: tried_now(gated.models) == new, "the new one to be tried")


def test_the_next_step_of_a_trial_holds_at_once_loads_nothing_and_tells_nothing(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    before = models.on_trial()
    events.drain()
    models.follow(Statement(old, 3, canary(new, share=0.5)))
    after = models.on_trial()
    assert before is not None and after is not None
    assert after.model is before.model
    assert after.trial.share == 0.5
    bring(models, shelf.model(3), 4)  # whatever the step had begun would be told by now
    assert shelf.loads[new.digest] == 1
    assert told(events)[:1] == [("loading", "m3")]


def test_an_earlier_statement_ends_no_trial(models: LiveModels, shelf: Shelf) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    models.follow(Statement(old, 1))
    assert tried_now(models) == new


def test_a_promoted_model_goes_live_as_it_is_and_the_old_one_retires(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    on_trial = models.on_trial()
    assert on_trial is not None
    bring(models, new, 3)
    assert models.current() is on_trial.model
    eventually(lambda: events.counts()["retired"] == 1, "the old one to retire")
    assert told(events)[3:] == [("loading", "m2"), ("live", "m2"), ("retired", "m1")]
    assert shelf.loads.total() == 2
    assert models.resident() == 1


def test_a_rolled_back_model_answers_no_more_at_once_and_retires(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    models.follow(Statement(old, 3))
    assert models.on_trial() is None
    eventually(lambda: events.counts()["retired"] == 1, "the new one to retire")
    assert told(events)[-1] == ("retired", "m2")
    assert answer(models.current()) == 1
    assert models.resident() == 1


def test_a_batch_of_a_rolled_back_model_ends_on_it(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    held = models.on_trial()
    assert held is not None
    bring(models, old, 3)
    assert answer(held.model) == 2
    assert events.counts()["retired"] == 0
    del held
    eventually(lambda: events.counts()["retired"] == 1, "the new one to retire")


def test_a_trial_of_another_model_takes_the_place_of_the_one_before(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    old, one, two = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, old, 2, canary(one))
    bring(models, old, 3, canary(two, number=3))
    eventually(lambda: events.counts()["retired"] == 1, "the one before to retire")
    assert models.resident() == 2
    assert ("retired", "m2") in told(events)


def test_one_is_promoted_while_the_next_trial_begins(models: LiveModels, shelf: Shelf) -> None:
    old, new, newest = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, old, 2, canary(new))
    bring(models, new, 3, canary(newest, number=3))
    assert set(shelf.loads.values()) == {1}
    assert models.resident() == 2


@pytest.mark.parametrize(
    "trouble",
    [
        StorageUnavailable("503"),
        MemoryError(),
        OSError(28, "No space left on device"),
        ModelRejected(ModelFault.CHANGED_WHILE_READING, "now holds other bytes"),
        RuntimeError("whatever an engine says"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_keeps_a_model_from_being_tried_is_told_and_leaves_the_live_one_alone(
    trouble: Exception, models: LiveModels, shelf: Shelf, events: EventLog, gathering: Gathering, kept: KeptTrials
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 1)
    trial = canary(new)
    gathering.follow(trial)
    shelf.troubles = [trouble] * 1000
    held = models.current()
    models.follow(Statement(old, 2, trial))
    eventually(lambda: len(shelf.troubles) < 998, "a second attempt")
    assert type(trouble).__name__ in models.why_not_tried()
    assert models.current() is held
    assert models.on_trial() is None
    shelf.troubles = []
    eventually(lambda: tried_now(models) == new, "the model to be tried after all")
    assert models.why_not_tried() == ""
    failed = [event for event in events.drain() if event.event == "failed"]
    assert [(event.model_id, type(trouble).__name__ in event.reason) for event in failed] == [(new.model_id, True)]
    gathering.close()
    [evidence] = map(Evidence.decode, kept.read(trial))
    assert not evidence.unfit_because.total
    assert evidence.not_loaded_because.total


def test_the_end_of_a_trial_ends_the_attempts_at_it(
    models: LiveModels, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 3600.0)
    old, new, other = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, old, 1)
    shelf.troubles = [StorageUnavailable("503")]
    models.follow(Statement(old, 2, canary(new)))
    eventually(models.why_not_tried, "a failure")
    models.follow(Statement(old, 3))
    assert models.why_not_tried() == ""
    bring(models, other, 4)


def test_a_model_on_trial_that_turns_out_to_be_unfit_is_given_up_until_the_next_trial(
    models: LiveModels, shelf: Shelf, events: EventLog, gathering: Gathering, kept: KeptTrials
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    trial = canary(new)
    gathering.follow(trial)
    bring(models, old, 2, trial)
    on_trial = models.on_trial()
    assert on_trial is not None
    for _ in range(2):  # two batches at once
        models.quarantine(on_trial.model, unfit())
    assert models.on_trial() is None
    assert models.is_quarantined(on_trial.model)
    assert models.current().reference == old
    assert models.why_none() == ""
    assert "its process ended" in models.why_not_tried()
    models.follow(Statement(old, 3, canary(new, share=0.5)))
    assert tried_now(models) is None
    del on_trial
    eventually(lambda: events.counts()["retired"] == 1, "the unfit one to retire")
    assert [event.model_name for event in events.drain() if event.event == "quarantined"] == ["m2"]
    assert shelf.loads[new.digest] == 1
    bring(models, old, 9, canary(new, number=9))
    gathering.close()
    [evidence] = map(Evidence.decode, kept.read(trial))
    assert evidence.unfit_because.total == 1


def test_a_model_that_cannot_answer_its_warm_up_is_told_as_a_failure_and_never_tried(
    models: LiveModels, shelf: Shelf
) -> None:
    old, bad = shelf.model(1), shelf.model(2)
    bring(models, old, 1)
    shelf.mislabel(bad)
    models.follow(Statement(old, 2, canary(bad)))
    eventually(lambda: shelf.loads[bad.digest] >= 2, "a second attempt")
    assert models.on_trial() is None
    assert models.why_not_tried()
    assert live_now(models) == old


def test_one_whose_process_dies_while_it_is_warmed_is_given_up(shelf: Shelf, events: EventLog) -> None:
    old, new = shelf.model(1), shelf.model(2)

    def load(artefact: Artefact, threads: int) -> Engine:
        if artefact.folder.name == "2":
            raise unfit()
        return load_engine(artefact, threads)

    models = LiveModels(shelf.obtain, events, load, (1,))
    try:
        models.follow(Statement(old, 2, canary(new)))
        eventually(lambda: events.counts()["quarantined"] == 1, "the new one to be given up")
        assert models.current().reference == old
        assert "its process ended" in models.why_not_tried()
    finally:
        models.close()


def test_where_the_live_model_is_quarantined_what_was_live_before_takes_over_and_not_the_one_on_trial(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    first, second, new = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, first, 1)
    bring(models, second, 2)
    bring(models, second, 3, canary(new))
    models.quarantine(models.current(), unfit())
    assert models.current().reference == first
    assert tried_now(models) == new
    eventually(lambda: models.resident() == 2, "the quarantined one to go")


def test_a_model_given_up_on_trial_and_promoted_nevertheless_is_given_another_chance(
    models: LiveModels, shelf: Shelf
) -> None:
    old, new = shelf.model(1), shelf.model(2)
    bring(models, old, 2, canary(new))
    on_trial = models.on_trial()
    assert on_trial is not None
    models.quarantine(on_trial.model, unfit())
    bring(models, new, 3)
    assert not models.is_quarantined(models.current())


def test_a_third_model_is_not_loaded_while_a_last_batch_holds_one_before(
    models: LiveModels, shelf: Shelf, events: EventLog
) -> None:
    first, second, new = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, first, 1)
    hung = models.current()
    bring(models, second, 2)
    models.follow(Statement(second, 3, canary(new)))
    eventually(lambda: events.counts()["failed"] == 1, "the trial to wait")
    assert shelf.loads[new.digest] == 0
    assert answer(hung) == 1
    del hung
    eventually(lambda: tried_now(models) == new, "the trial to begin")
    assert models.resident() == 2


def test_a_model_that_goes_live_amid_a_trial_of_another_is_never_the_third(models: LiveModels, shelf: Shelf) -> None:
    old, new, by_hand = shelf.model(1), shelf.model(2), shelf.model(3)
    bring(models, old, 2, canary(new))
    bring(models, by_hand, 3, canary(new))
    assert models.resident() == 2


def test_closing_lets_go_of_both(models: LiveModels, shelf: Shelf, events: EventLog) -> None:
    bring(models, shelf.model(1), 2, canary(shelf.model(2)))
    models.close()
    assert models.peek() is None
    assert models.on_trial() is None
    assert models.resident() == 0


def test_a_hundred_trials_under_load_keep_every_tag_true_and_two_models_in_memory(
    models: LiveModels, shelf: Shelf
) -> None:
    wrong: list[Any] = []
    answered: Counter[str] = Counter()
    resident: list[int] = []
    done = threading.Event()

    def predict() -> None:
        while not done.is_set():
            on_trial = models.on_trial()
            both = [models.current(), *([on_trial.model] if on_trial else [])]
            on_trial = None
            while both:
                model = both.pop()
                digest, says = model.reference.digest, answer(model)
                if says != shelf.favours[digest]:
                    wrong.append((digest, says))
                answered[digest] += 1

    draw = random.Random(17)
    old = shelf.model(0)
    bring(models, old, 1)
    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        epoch = 1
        for number in range(1, 101):
            new = shelf.model(number)
            for _ in range(draw.randint(1, 2)):
                epoch += 1
                models.follow(Statement(old, epoch, canary(new, number)))

            def is_tried(new: ModelReference = new) -> bool:
                resident.append(models.resident())
                return tried_now(models) == new

            if draw.random() < 0.8:
                eventually(is_tried, "the trial")
            epoch += 1
            if draw.random() < 0.5:
                old = new
            models.follow(Statement(old, epoch))
            if draw.random() < 0.5:
                eventually(lambda: live_now(models) == old, "the verdict")  # noqa: B023 - awaited here
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert max(resident) <= 2
    eventually(lambda: live_now(models) == old and models.resident() == 1, "one model in memory")
