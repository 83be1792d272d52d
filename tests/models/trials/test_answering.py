"""Who answers what while a model is tried: real live models, of which each always says its own class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.artefacts import Artefact
from models.bringing_in import MOST_TROUBLES
from models.engines.engine import Engine, Outputs
from models.engines.loading import load_engine
from models.errors import ImageError, ImageFault, MachineFailed, ModelFailed, NoModelAnswers
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModels
from models.reference import Mode, ModelReference, StatedTrial, Statement
from models.storage.local_objects import LocalObjects
from models.tasks import Ranked
from models.trials.answering import Told, answer_on_trial
from models.trials.evidence import Evidence, Side
from models.trials.gathering import Gathering
from models.trials.kept import KeptTrials
from models.trials.matching import Matching
from models.trials.sides import is_tried, part_in
from models.trials.tried import Tried
from tests.models.live_bench import Shelf, time_no_more
from tests.waiting import eventually

KEYS = [f"message {number}" for number in range(64)]
POISON = 255


class Shared:
    """What each model does besides answering, by the class that it favours."""

    def __init__(self) -> None:
        self.is_broken: set[str] = set()
        self.chokes: set[str] = set()
        self.answers_too_few: set[str] = set()
        self.hangs_on_poison: set[str] = set()
        self.hangs: set[str] = set()
        self.has_no_room: set[str] = set()
        self.calls: list[tuple[str, int]] = []
        self.begun: list[tuple[str, int]] = []

    def load(self, artefact: Artefact, threads: int) -> Engine:
        return _Executed(artefact, self)


class _Executed:
    largest_run = 64

    def __init__(self, artefact: Artefact, shared: Shared) -> None:
        self._engine = load_engine(artefact, 1)
        self._name = artefact.folder.name
        self._shared = shared

    def predict(self, batch: NDArray[Any]) -> Outputs:
        shared = self._shared
        shared.calls.append((self._name, len(batch)))
        is_poison = (batch.reshape(len(batch), -1)[:, 0] == 1.0).any()  # of 255
        is_poisoned = self._name in shared.chokes and is_poison
        if self._name in shared.hangs or (self._name in shared.hangs_on_poison and is_poison):
            raise ModelFailed(ImageFault.MODEL_TIMED_OUT, "no answer within 3 s")
        if self._name in shared.has_no_room:
            raise OSError(28, "No space left on device")
        if self._name in shared.is_broken or is_poisoned:
            raise ModelFailed(ImageFault.MODEL_CRASHED, "its process ended")
        (scores,) = self._engine.predict(batch)
        return (scores[: -(self._name in shared.answers_too_few) or None],)

    def ask(self, batch: NDArray[Any]) -> Callable[[], Outputs]:
        self._shared.begun.append((self._name, len(batch)))
        return partial(self.predict, batch)

    def alone(self) -> AbstractContextManager[None]:
        return nullcontext()


class Bench:
    """An old model that says 1 and a new one that says 2."""

    def __init__(self, folder: Path) -> None:
        self.shared = Shared()
        self.events = EventLog()
        self.shelf = Shelf(folder)
        self.kept = KeptTrials(LocalObjects(folder / "registry"), "trials/")
        self.gathering = Gathering(self.kept, write_seconds=3600)
        self.models = LiveModels(self.shelf.obtain, self.events, self.shared.load, (1,), self.gathering)
        self.old, self.new = self.shelf.model(1), self.shelf.model(2)
        self._epoch = 0

    def state(self, live: ModelReference, trial: StatedTrial | None) -> None:
        self._epoch += 1
        self.gathering.follow(trial)
        self.models.follow(Statement(live, self._epoch, trial))

    def try_new(self, mode: Mode = "canary", share: float = 0.5) -> StatedTrial:
        trial = StatedTrial(self._epoch + 1, self.new, mode, share)
        self.state(self.old, trial)
        eventually(lambda: self.models.on_trial() is not None, "the new model to be tried")
        self.shared.calls.clear()
        return trial

    def time_no_more(self, trial: StatedTrial) -> None:
        matching = self.gathering.matching(trial)
        assert matching is not None
        time_no_more(matching)

    def rest_no_more(self, trial: StatedTrial) -> None:
        matching = self.gathering.matching(trial)
        assert matching is not None
        matching.took(0)

    def answer(self, keys: Sequence[str] = KEYS, values: Sequence[int] | None = None) -> list[Told]:
        images = [Raster(np.full((8, 8, 3), value, np.uint8)) for value in values or [128] * len(keys)]
        return answer_on_trial(self.models, self.gathering, keys, images)

    def evidence(self, trial: StatedTrial) -> Evidence:
        """All that was gathered, read from the registry."""
        self.gathering.close()
        whole = Evidence()
        for data in self.kept.read(trial):
            whole.merge(Evidence.decode(data))
        return whole

    def close(self) -> None:
        self.models.close()
        self.gathering.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def said(told: Sequence[Told]) -> list[int | ImageFault]:
    return [
        each.outcome.top[0].class_index if isinstance(each.outcome, Ranked) else each.outcome.fault  # type: ignore[union-attr]
        for each in told
    ]


def tags(told: Sequence[Told]) -> list[Side | None]:
    return [each.tried.side if each.tried else None for each in told]


def test_without_a_trial_the_live_model_answers_all_at_once(bench: Bench) -> None:
    bench.state(bench.old, None)
    assert bench.models.current().reference == bench.old
    bench.shared.calls.clear()
    told = bench.answer()
    assert said(told) == [1] * 64
    assert tags(told) == [None] * 64
    assert bench.shared.calls == [("1", 64)]


def test_as_a_canary_the_new_model_alone_answers_its_share_tagged_so(bench: Bench) -> None:
    trial = bench.try_new()
    tried = [is_tried(trial, key) for key in KEYS]
    for _ in range(3):  # a replay falls on the same side
        told = bench.answer()
        assert [each.by.reference for each in told] == [bench.new if new else bench.old for new in tried]
        assert said(told) == [2 if new else 1 for new in tried]
        assert tags(told) == ["new" if new else "old" for new in tried]
        assert {each.tried for each in told} == {Tried(trial.number, "new", None), Tried(trial.number, "old", None)}


def test_in_the_shadow_both_answer_the_share_and_the_old_ones_answer_is_the_result(bench: Bench) -> None:
    trial = bench.try_new("shadow")
    told = bench.answer()
    assert said(told) == [1] * 64
    assert {each.by.reference for each in told} == {bench.old}
    for key, each in zip(KEYS, told, strict=True):
        other = each.tried.other.label if each.tried and each.tried.other else None
        assert (each.tried is not None, other) == (is_tried(trial, key), "2" if is_tried(trial, key) else None)


@pytest.mark.parametrize("mode", ["canary", "shadow"])
@pytest.mark.parametrize("share", [1.0, 1e-9])
def test_a_share_of_all_and_of_none_are_answered_in_single_calls(mode: Mode, share: float, bench: Bench) -> None:
    bench.try_new(mode, share)
    told = bench.answer()
    assert len(told) == 64
    both = [("1", 64), ("2", 64)] if mode == "shadow" else [("2", 64)]
    assert bench.shared.calls == (both if share == 1.0 else [("1", 64)])


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_where_both_are_timed_they_answer_as_many_one_after_the_other_and_each_is_first_in_half(
    mode: Mode, bench: Bench
) -> None:
    trial = bench.try_new(mode, share=0.2)
    tried = sum(is_tried(trial, key) for key in KEYS)
    for _ in range(4):
        bench.rest_no_more(trial)
        bench.answer()
    of_old, of_new = ("1", tried), ("2", tried)
    rest = ("1", 64 - tried if mode == "shadow" else 64 - 2 * tried)
    assert bench.shared.calls == [of_old, of_new, rest, of_new, of_old, rest] * 2
    assert bench.shared.begun == []
    evidence = bench.evidence(trial)
    assert (evidence.new.latencies.calls, evidence.old.latencies.calls) == (4, 4)


def test_where_batches_are_of_one_image_as_many_of_either_model_are_timed(bench: Bench) -> None:
    trial = bench.try_new(share=0.2)
    for key in KEYS:
        bench.answer([key])
    tried = sum(is_tried(trial, key) for key in KEYS)
    evidence = bench.evidence(trial)
    assert 0 < evidence.new.latencies.calls <= tried
    assert 0 <= evidence.new.latencies.calls - evidence.old.latencies.calls <= 1


def test_where_batches_are_of_one_image_a_model_that_cannot_be_asked_is_asked_once_a_batch(bench: Bench) -> None:
    trial = bench.try_new()
    key = next(key for key in KEYS if is_tried(trial, key))
    bench.shared.has_no_room = {"2"}
    assert said(bench.answer([key])) == [1]
    assert bench.evidence(trial).not_loaded_because.total == 1


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_otherwise_the_new_model_computes_while_the_old_one_answers_and_neither_is_timed(
    mode: Mode, bench: Bench
) -> None:
    trial = bench.try_new(mode, share=0.2)
    tried = sum(is_tried(trial, key) for key in KEYS)
    bench.time_no_more(trial)
    bench.answer()
    old = ("1", 64 if mode == "shadow" else 64 - tried)
    assert bench.shared.begun == [("2", tried)]
    assert bench.shared.calls == [old, ("2", tried)]  # begun first, and waited for last
    assert bench.evidence(trial).new.latencies.calls == 0


def test_of_a_small_share_three_answers_of_the_old_model_are_evidence_for_one_of_the_new(bench: Bench) -> None:
    trial = bench.try_new(share=0.05)
    keys = [f"image {number}" for number in range(4000)]
    sides = tags(bench.answer(keys))
    assert sides == [part_in(trial, key) for key in keys]
    assert sides.count("old") / sides.count("new") == pytest.approx(3, rel=0.2)
    assert sides.count(None) / len(keys) == pytest.approx(0.8, rel=0.05)


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_where_both_are_asked_at_once_no_model_that_is_left_means_no_answer_is_left_waiting(
    mode: Mode, bench: Bench
) -> None:
    trial = bench.try_new(mode)
    bench.time_no_more(trial)
    bench.shared.is_broken = {"1"}
    with pytest.raises(NoModelAnswers):
        bench.answer()
    tried = sum(is_tried(trial, key) for key in KEYS)
    assert bench.shared.begun == [("2", tried)]
    assert bench.shared.calls.count(("2", tried)) == 1


def test_an_image_that_the_new_model_chokes_on_costs_no_other_and_is_its_dead_letter(bench: Bench) -> None:
    trial = bench.try_new()
    victim = next(place for place, key in enumerate(KEYS) if is_tried(trial, key))
    bench.shared.chokes = {"2"}
    told = bench.answer(values=[POISON if place == victim else 128 for place in range(64)])
    expected: list[int | ImageFault] = [2 if is_tried(trial, key) else 1 for key in KEYS]
    expected[victim] = ImageFault.MODEL_CRASHED
    assert said(told) == expected
    assert told[victim].by.reference == bench.new
    assert told[victim].tried == Tried(trial.number, "new", None)
    assert bench.evidence(trial).new.latencies.calls == 0  # halving took the time of many calls


def test_in_the_shadow_what_the_new_model_chokes_on_is_no_dead_letter(bench: Bench) -> None:
    trial = bench.try_new("shadow")
    victim = next(place for place, key in enumerate(KEYS) if is_tried(trial, key))
    bench.shared.chokes = {"2"}
    told = bench.answer(values=[POISON if place == victim else 128 for place in range(64)])
    assert said(told) == [1] * 64
    assert told[victim].tried == Tried(trial.number, "old", None)
    others = [each.tried.other for place, each in enumerate(told) if each.tried and place != victim]
    assert all(other is not None and other.label == "2" for other in others)


@pytest.mark.parametrize("mode", ["canary", "shadow"])
@pytest.mark.parametrize("how", ["is_broken", "answers_too_few"])
def test_the_old_model_answers_what_an_unfit_one_was_tried_on(mode: Mode, how: str, bench: Bench) -> None:
    trial = bench.try_new(mode)
    setattr(bench.shared, how, {"2"})
    for _ in range(2):
        told = bench.answer()
        assert said(told) == [1] * 64
        assert {each.by.reference for each in told} == {bench.old}
        assert set(tags(told)) <= {"old", None}
    assert bench.events.counts()["quarantined"] == 1
    eventually(lambda: bench.events.counts()["retired"] == 1, "the unfit one to retire")
    assert bench.evidence(trial).unfit_because.total == 1


@pytest.mark.parametrize("mode", ["canary", "shadow"])
@pytest.mark.parametrize("how", ["hangs", "hangs_on_poison"])
def test_a_model_that_once_takes_too_long_is_asked_no_more_and_is_unfit_only_where_it_hangs_on_its_probe_image(
    mode: Mode, how: str, bench: Bench
) -> None:
    trial = bench.try_new(mode)
    setattr(bench.shared, how, {"2"})
    victim = next(place for place, key in enumerate(KEYS) if is_tried(trial, key))
    for _ in range(2):
        told = bench.answer(values=[POISON if place == victim else 128 for place in range(64)])
        assert said(told) == [1] * 64
    asked = [size for name, size in bench.shared.calls if name == "2"]
    assert asked == [sum(is_tried(trial, key) for key in KEYS), 1]  # and its probe image
    assert bench.models.on_trial() is None
    evidence = bench.evidence(trial)
    assert evidence.new.failed == 1
    assert (evidence.unfit_because.total, evidence.not_loaded_because.total) == ((1, 0) if how == "hangs" else (0, 1))


def test_a_model_that_takes_too_long_in_a_timed_batch_is_not_asked_for_the_rest_of_it(bench: Bench) -> None:
    trial = bench.try_new(share=0.8)
    bench.shared.hangs = {"2"}
    told = bench.answer()
    assert said(told) == [1] * 64
    others = sum(not is_tried(trial, key) for key in KEYS)
    assert [size for name, size in bench.shared.calls if name == "2"] == [others, 1]  # and its probe image
    assert bench.evidence(trial).new.failed == 1


def test_a_model_that_another_thread_has_given_up_is_asked_no_more(bench: Bench) -> None:
    bench.try_new()
    on_trial = bench.models.on_trial()
    assert on_trial is not None
    tried = on_trial.model

    class Late(Gathering):
        """Another thread gives the model up, once this one has chosen it."""

        def matching(self, trial: StatedTrial) -> Matching | None:
            bench.models.quarantine(tried, MachineFailed(ImageFault.MODEL_TIMED_OUT, "no answer within 3 s"))
            return super().matching(trial)

    images = [Raster(np.full((8, 8, 3), 128, np.uint8))] * len(KEYS)
    late = Late(bench.kept)
    late.follow(on_trial.trial)
    assert said(answer_on_trial(bench.models, late, KEYS, images)) == [1] * 64
    assert {name for name, _ in bench.shared.calls} == {"1"}
    late.close()


@pytest.mark.parametrize("is_timed", [True, False])
def test_what_the_old_model_answers_in_place_of_the_new_one_is_no_evidence(is_timed: bool, bench: Bench) -> None:
    trial = bench.try_new()
    if not is_timed:
        bench.time_no_more(trial)
    bench.shared.has_no_room = {"2"}
    told = bench.answer()
    assert said(told) == [1] * 64
    assert tags(told) == [None if is_tried(trial, key) else "old" for key in KEYS]


def test_what_this_process_lacks_tells_nothing_against_a_model_and_is_borne_a_few_times(bench: Bench) -> None:
    trial = bench.try_new()
    for number in range(1, MOST_TROUBLES + 1):
        assert bench.models.on_trial() is not None
        bench.shared.has_no_room = {"2"}
        assert said(bench.answer()) == [1] * 64
        bench.shared.has_no_room = set()
        if number < MOST_TROUBLES:
            assert 2 in said(bench.answer())
    assert bench.models.on_trial() is None
    assert "No space left" in bench.models.why_not_tried()
    evidence = bench.evidence(trial)
    assert (evidence.unfit_because.total, evidence.new.failed) == (0, 0)
    assert evidence.not_loaded_because.total == MOST_TROUBLES


def test_what_this_process_lacks_when_it_asks_the_probe_image_is_no_verdict_either(bench: Bench) -> None:
    trial = bench.try_new()
    on_trial = bench.models.on_trial()
    assert on_trial is not None
    bench.shared.has_no_room = {"2"}
    with pytest.raises(MachineFailed, match="No space left"):
        on_trial.model.require_fit()
    del on_trial
    assert bench.evidence(trial).unfit_because.total == 0


def test_where_the_old_model_is_unfit_and_there_is_no_other_images_wait_for_one(bench: Bench) -> None:
    bench.try_new()
    bench.shared.is_broken = {"1"}
    with pytest.raises(NoModelAnswers):
        bench.answer()


@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_a_model_that_is_promoted_amid_a_batch_is_nowhere_tagged_as_the_old_one(mode: Mode, bench: Bench) -> None:
    trial = bench.try_new(mode)
    live = bench.models

    class Promoting(Gathering):
        """The verdict falls between the calls of a batch."""

        def matching(self, trial: StatedTrial) -> Matching:
            bench.state(bench.new, None)
            eventually(lambda: (now := live.peek()) and now.reference == bench.new, "the new model to be live")
            matching = Matching()
            time_no_more(matching)
            return matching

    told = answer_on_trial(live, Promoting(bench.kept), KEYS, [Raster(np.full((8, 8, 3), 128, np.uint8))] * len(KEYS))
    assert said(told) == [2] * 64
    assert {each.by.reference for each in told} == {bench.new}
    assert set(tags(told)) == ({"new"} if mode == "canary" else {None})
    tried = sum(is_tried(trial, key) for key in KEYS)
    assert bench.shared.begun == [("2", tried)]
    assert bench.shared.calls[0] == ("2", tried)  # its first answer is taken before it is asked again


def require_true_tags(bench: Bench, keys: Sequence[str], new: ModelReference) -> None:
    """Has a batch answered; a function of its own, whose end lets go of the models."""
    values = [POISON if key.endswith("7") else 128 for key in keys]
    told = bench.answer(keys, values)
    assert len(told) == len(keys)
    for each, value in zip(told, values, strict=True):
        if isinstance(each.outcome, ImageError):
            assert value == POISON
        else:
            assert said([each]) == [bench.shelf.favours[each.by.reference.digest]]
        if each.tried is not None and each.tried.side == "new":
            assert each.by.reference == new


ACTIONS = st.one_of(
    st.tuples(st.just("batch"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=12)),
    st.tuples(st.sampled_from(["canary", "shadow"]), st.sampled_from([0.01, 0.3, 0.9, 1.0])),
    st.tuples(st.sampled_from(["promote", "roll back", "break", "choke"]), st.none()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, min_size=3, max_size=25))
def test_whatever_happens_each_result_bears_the_id_of_the_model_that_made_it(
    actions: list[tuple[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    shared, live, number = bench.shared, bench.old, 2
    bench.state(live, None)
    new = bench.new
    try:
        for what, detail in actions:
            if what == "batch":
                require_true_tags(bench, detail, new)
            elif what in ("canary", "shadow"):
                bench.state(live, StatedTrial(number, new, "canary" if what == "canary" else "shadow", detail))
                eventually(lambda: bench.models.on_trial() or bench.models.why_not_tried(), "the trial, or why not")
            elif what == "break":
                shared.is_broken = {str(number)}
            elif what == "choke":
                shared.chokes = {str(number)}
            else:
                live = new if what == "promote" and str(number) not in shared.is_broken else live
                bench.state(live, None)
                number += 1
                new = bench.shelf.model(number)
    finally:
        bench.close()
