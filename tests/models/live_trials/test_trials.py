"""A model on trial beside the live one: real ONNX Runtime engines of tiny models."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import pytest

from models.events import EventLog
from models.live import LiveModels
from models.reference import ModelReference, Statement
from tests.models.live_bench import Gated, Shelf
from tests.models.live_trials.trying import answer, bring, canary, live_now, told, tried_now
from tests.waiting import eventually


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


def test_a_process_that_begins_amid_a_trial_answers_once_both_models_are_there(gated: Gated, shelf: Shelf) -> None:
    old, new = shelf.model(1), shelf.model(2)
    gated.models.follow(Statement(old, 5, canary(new)))
    gated.await_loading(old)
    assert shelf.asked[new.digest] == 0  # the live one comes first
    gated.let_load(old)
    gated.await_loading(new)
    assert gated.models.peek() is None  # its images would get the old one's answer
    gated.let_load(new)
    assert gated.models.current().reference == old
    assert tried_now(gated.models) == new


def test_it_waits_for_a_model_on_trial_only_so_long(
    gated: Gated, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.bringing_in.TRIED_SECONDS", 0.0)
    old, new = shelf.model(1), shelf.model(2)
    gated.models.follow(Statement(old, 5, canary(new)))
    gated.let_load(old)
    gated.await_loading(new)
    assert gated.models.current().reference == old
    assert gated.models.on_trial() is None
    gated.let_load(new)
    eventually(lambda: tried_now(gated.models) == new, "the new one to be tried")


def test_a_process_that_answers_already_goes_on_while_a_model_on_trial_is_loaded(gated: Gated, shelf: Shelf) -> None:
    old, new = shelf.model(1), shelf.model(2)
    gated.models.follow(Statement(old, 5))
    gated.let_load(old)
    assert gated.models.current().reference == old
    gated.models.follow(Statement(old, 6, canary(new)))
    gated.await_loading(new)
    assert gated.models.current().reference == old
    gated.let_load(new)


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
