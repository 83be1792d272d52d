"""What is said of each model is so: through swaps, rejections, failures, quarantine and the way back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.events import EventKind, ModelEvent
from models.reference import ModelReference
from serving.asking import version_of
from serving.statuses import State, Statuses, Whereabouts
from tests.model_files import nan_output, newer, tiny_classifier
from tests.sample_images import plain
from tests.serving.running_core import RunningCore, running_core
from tests.treacherous_models import TRIGGER, crashes, treacherous


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningCore]:
    with running_core(tmp_path / "models", tmp_path / "cache") as running:
        yield running


def test_a_swap_ends_one_model_and_makes_the_other_available(running: RunningCore) -> None:
    assert running.core.statuses.all() == []
    first = tiny_classifier(running.models / "first.onnx")
    live = running.await_live(first)
    [status] = running.core.statuses.all()
    assert (status.model_id, status.state, status.reason) == (live, State.AVAILABLE, "")
    assert running.core.live is not None
    assert status.version == version_of(running.core.live.reference)

    second = newer(tiny_classifier(running.models / "second.onnx", favours=2), first)
    running.await_live(second)
    assert running.await_state("second.onnx", State.AVAILABLE).reason == ""
    assert running.await_state("first.onnx", State.END).reason == ""


def test_the_one_that_answers_is_available_at_once_and_no_other_is(running: RunningCore) -> None:
    first = tiny_classifier(running.models / "first.onnx")
    running.await_live(first)
    second = newer(tiny_classifier(running.models / "second.onnx", favours=2), first)
    running.await_live(second)

    available = [each for each in running.core.statuses.all() if each.state is State.AVAILABLE]
    assert [each.model_id for each in available] == [running.ask(plain()).reference.model_id]


def test_a_rejected_model_has_ended_for_a_reason_and_the_live_one_is_available(running: RunningCore) -> None:
    good = tiny_classifier(running.models / "good.onnx")
    running.await_live(good)
    newer(nan_output(running.models / "bad.onnx"), good)

    assert running.await_state("bad.onnx", State.END).reason.startswith("non_finite_output: ")
    assert running.await_state("good.onnx", State.AVAILABLE).reason == ""


def test_a_model_that_comes_back_is_available_again(running: RunningCore) -> None:
    first = tiny_classifier(running.models / "first.onnx")
    running.await_live(first)
    second = newer(tiny_classifier(running.models / "second.onnx", favours=2), first)
    running.await_live(second)

    second.unlink()
    running.await_live(first)
    running.await_state("first.onnx", State.AVAILABLE)
    running.await_state("second.onnx", State.END)


def test_a_quarantined_model_has_ended_for_a_reason_and_the_one_before_is_available(running: RunningCore) -> None:
    good = tiny_classifier(running.models / "good.onnx")
    running.await_live(good)
    answering = {path.name for path in running.cache.iterdir()}
    bad = newer(treacherous(running.models / "bad.onnx", crashes()), good)
    running.await_live(bad)
    for path in running.cache.iterdir():  # without its compiled form it cannot be begun anew
        if path.is_dir() and path.name not in answering:
            shutil.rmtree(path)

    assert "good.onnx@" in running.ask(plain(TRIGGER)).reference.model_id

    assert "good.onnx" in running.await_state("bad.onnx", State.END).reason
    running.await_state("good.onnx", State.AVAILABLE)
    assert running.metric("hotswap_host_restarts_total") >= 1
    assert running.metric('hotswap_model_events_total{event="quarantined"}') == 1


class Told:
    """Statuses that are told what happens.

    Attributes:
        live, coming, tried, to_be_tried: where models are.
    """

    def __init__(self) -> None:
        self.live: str | None = None
        self.coming: str | None = None
        self.tried: str | None = None
        self.to_be_tried: str | None = None
        self.statuses = Statuses(lambda: Whereabouts(self.live, self.coming, self.tried, self.to_be_tried))

    def hear(self, event: EventKind, model_id: str, reason: str = "") -> None:
        self.statuses.take_in([ModelEvent(event, model_id, "m", reason)])

    def states(self) -> dict[str, tuple[State, str]]:
        return {each.model_id: (each.state, each.reason) for each in self.statuses.all()}


def model_id(number: int) -> str:
    return ModelReference(f"/m/{number}.onnx", f"{number:064x}"[::-1]).model_id


A, B, C = map(model_id, (1, 2, 3))


def test_a_model_that_cannot_be_loaded_is_loading_and_says_why_for_as_long_as_it_is_tried() -> None:
    told = Told()
    told.live, told.coming = A, B
    told.hear("loading", B)
    assert told.states() == {B: (State.LOADING, ""), A: (State.AVAILABLE, "")}
    told.hear("failed", B, "OSError: the disk is full")
    assert told.states()[B] == (State.LOADING, "OSError: the disk is full")
    told.coming = None
    assert told.states()[B] == (State.END, "OSError: the disk is full")


def test_a_model_that_another_overtook_is_not_loading_any_more() -> None:
    told = Told()
    told.coming = B
    told.hear("loading", B)
    told.coming = C
    assert told.states() == {B: (State.END, ""), C: (State.LOADING, "")}


def test_what_was_live_is_unloading_until_its_last_batch_is_done() -> None:
    told = Told()
    told.live = A
    told.hear("live", A)
    told.live = B
    assert told.states() == {A: (State.UNLOADING, ""), B: (State.AVAILABLE, "")}
    told.hear("live", B)
    told.hear("retired", A)
    assert told.states()[A] == (State.END, "")


def test_a_model_that_is_tried_is_available_beside_the_live_one_until_its_trial_ends() -> None:
    told = Told()
    told.live, told.to_be_tried = A, B
    assert told.states() == {B: (State.LOADING, ""), A: (State.AVAILABLE, "")}
    told.hear("loading", B)
    told.hear("failed", B, "OSError: the disk is full")
    assert told.states()[B] == (State.LOADING, "OSError: the disk is full")
    told.tried, told.to_be_tried = B, None
    assert told.states() == {B: (State.AVAILABLE, ""), A: (State.AVAILABLE, "")}
    told.tried = None
    told.hear("retired", B)
    assert told.states()[B][0] is State.END


def test_a_quarantined_models_reason_outlives_its_last_batch() -> None:
    told = Told()
    told.hear("live", A)
    told.hear("quarantined", A, "model_crashed: its process ended; no other model is left")
    told.hear("retired", A)
    assert told.states() == {A: (State.END, "model_crashed: its process ended; no other model is left")}


def test_a_verdict_on_a_model_that_answers_nevertheless_does_not_end_it() -> None:
    told = Told()
    told.live = A
    told.hear("rejected", A, "unsigned: nobody signed it")
    assert told.states() == {A: (State.AVAILABLE, "")}


def test_what_could_not_be_read_is_no_version() -> None:
    told = Told()
    told.hear("rejected", "/m/bad.onnx", "truncated: it ends early")
    assert told.states() == {}


def test_of_a_long_life_the_last_models_are_remembered_and_the_live_one_always() -> None:
    told = Told()
    told.live = model_id(1)
    told.hear("live", model_id(1))
    for number in range(2, 200):
        told.hear("rejected", model_id(number), "crashed: it ended")
    states = told.states()
    assert len(states) <= 66
    assert states[model_id(1)] == (State.AVAILABLE, "")
    assert model_id(199) in states
    assert model_id(2) not in states
