"""A trial in the pointer: it begins, goes on and ends once, whoever writes beside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.reference import ModelReference, Statement
from models.registry.pointer import LivePointer
from models.registry.records import MOST_ENDED, Pointer
from models.storage.errors import StorageUnavailable
from models.storage.local_objects import LocalObjects
from models.trials.policy import Policy
from models.trials.terms import Limits
from models.trials.trial import Trial

NAME, PATTERN = "live/models.json", "gs://b/models/*.h5"
A, B, C = (ModelReference(f"gs://b/models/{name}.h5", name * 64) for name in "abc")


def policy(text: str = "canary:5%/10,25%/10") -> Policy:
    read = Policy.parse(text)
    assert read is not None
    return read


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path)


def opened(objects: LocalObjects) -> LivePointer:
    """As a process knows it that has just begun."""
    pointer = LivePointer(objects, NAME, PATTERN)
    pointer.look()
    return pointer


def known(live: LivePointer) -> Pointer:
    assert live.pointer is not None
    return live.pointer


def trial_of(live: LivePointer) -> Trial:
    trial = known(live).trial
    assert trial is not None
    return trial


def trying(objects: LocalObjects) -> LivePointer:
    """A is live, and B is tried."""
    live = opened(objects)
    assert live.move(A, "the newest valid file")
    assert live.begin(B, policy())
    return live


def damage(objects: LocalObjects, data: bytes) -> None:
    found = objects.read(NAME)
    assert found is not None
    objects.swap(NAME, data, found.version)


def test_nothing_is_tried_before_something_is_live(objects: LocalObjects) -> None:
    assert not opened(objects).begin(B, policy())


def test_what_one_begins_all_others_read(objects: LocalObjects) -> None:
    trying(objects)
    stated = opened(objects).statement
    assert stated is not None
    assert (stated.reference, stated.epoch) == (A, 2)
    assert stated.trial is not None
    assert (stated.trial.number, stated.trial.new, stated.trial.mode, stated.trial.share) == (2, B, "canary", 0.05)


def test_all_read_the_terms_that_it_began_with(objects: LocalObjects) -> None:
    live = opened(objects)
    live.move(A, "the newest valid file")
    limits = Limits(0.01, 3.0, 0.5, 1.0, 0.2)
    assert live.begin(B, policy(), limits, "promote", needs_labels=True)
    read = trial_of(opened(objects))
    assert (read.limits, read.undecided, read.needs_labels) == (limits, "promote", True)


def test_one_trial_is_under_way_at_a_time(objects: LocalObjects) -> None:
    assert not trying(objects).begin(C, policy())


def test_of_two_who_begin_one_at_once_one_does(objects: LocalObjects) -> None:
    opened(objects).move(A, "")
    one, other = opened(objects), opened(objects)
    assert one.begin(B, policy())
    assert not other.begin(C, policy())
    other.look()
    assert trial_of(other).new == B


def test_each_step_has_an_epoch_of_its_own(objects: LocalObjects) -> None:
    live = trying(objects)
    assert live.advance()
    assert live.statement == Statement(A, 3, trial_of(live).stated)
    assert trial_of(live).now.share == 0.25
    assert not live.advance()


def test_a_promoted_model_is_live_and_the_history_says_why(objects: LocalObjects) -> None:
    trying(objects).end("promoted", "it is better", {"images": {"new": 100}}, by="somebody")
    pointer = known(opened(objects))
    assert (pointer.now.reference, pointer.now.why, pointer.now.by) == (B, "it is better", "somebody")
    assert pointer.statement == Statement(B, 3)
    assert [(each.outcome, each.figures) for each in pointer.ended] == [("promoted", {"images": {"new": 100}})]
    assert pointer.refused == ()


def test_a_model_that_is_rolled_back_is_refused_until_somebody_says_so(objects: LocalObjects) -> None:
    live = trying(objects)
    live.end("rolled_back", "it is worse")
    assert opened(objects).statement == Statement(A, 3)
    assert set(known(live).refused) == {B.sha256}
    assert live.try_again(B.sha256)
    assert known(opened(objects)).refused == ()


def test_whoever_asks_for_nothing_new_changes_nothing(objects: LocalObjects) -> None:
    live = trying(objects)
    live.end("rolled_back", "")
    assert live.try_again(C.sha256)
    assert known(live).epoch == 3


def test_a_refused_model_that_somebody_made_live_is_refused_no_more(objects: LocalObjects) -> None:
    live = trying(objects)
    live.end("rolled_back", "it is worse")
    live.move(B, "by hand")
    live.move(A, "by hand")
    assert known(opened(objects)).refused == ()


def test_the_latest_verdict_on_a_model_counts(objects: LocalObjects) -> None:
    live = trying(objects)
    live.end("rolled_back", "its file is gone", again=True)
    assert known(live).refused == ()
    live.begin(B, policy())
    live.end("rolled_back", "it is worse")
    assert set(known(live).refused) == {B.sha256}


@pytest.mark.parametrize(
    "act",
    [
        lambda live: live.end("promoted", ""),
        lambda live: live.end("rolled_back", ""),
        lambda live: live.advance(),
        lambda live: live.move(B, "by hand"),
        lambda live: live.move(C, "by hand"),
    ],
)
def test_of_two_who_decide_at_once_one_does(objects: LocalObjects, act: Callable[[LivePointer], bool]) -> None:
    trying(objects)
    one, other = opened(objects), opened(objects)
    assert act(one)
    assert not other.end("rolled_back", "later")
    assert not any(each.why == "later" for each in known(opened(objects)).ended)


@pytest.mark.parametrize(("to", "outcome"), [(B, "promoted"), (C, "rolled_back")])
def test_a_move_by_hand_ends_the_trial_and_finds_nothing_against_the_model(
    objects: LocalObjects, to: ModelReference, outcome: str
) -> None:
    trying(objects).move(to, "by hand")
    pointer = known(opened(objects))
    assert pointer.statement == Statement(to, 3)
    assert [(each.outcome, each.told) for each in pointer.ended] == [(outcome, False)]
    assert pointer.refused == ()


def test_what_is_told_is_told_once(objects: LocalObjects) -> None:
    trying(objects).end("rolled_back", "")
    one, other = opened(objects), opened(objects)
    assert one.mark_told(2)
    assert not other.mark_told(2)
    other.look()
    assert not other.mark_told(2)


def test_the_pointer_remembers_the_last_trials(objects: LocalObjects) -> None:
    live = opened(objects)
    live.move(A, "")
    for _ in range(MOST_ENDED + 5):
        assert live.begin(B, policy())
        assert live.end("rolled_back", "x" * 5000, {"much": "y" * 50_000}, again=True)
    ended = known(opened(objects)).ended
    assert len(ended) == MOST_ENDED
    assert ended[-1].trial.number == known(live).epoch - 1
    assert not ended[-1].figures


@pytest.mark.parametrize("step", [0, 1])
def test_a_damaged_pointer_is_put_right_with_its_trial(objects: LocalObjects, step: int) -> None:
    live = trying(objects)
    for _ in range(step):
        live.advance()
    before = trial_of(live)
    damage(objects, b"nonsense")
    live.look()
    assert trial_of(opened(objects)) == before
    assert known(opened(objects)).epoch == 3 + step


def test_whoever_remembers_a_later_share_goes_on_with_it(objects: LocalObjects) -> None:
    live = trying(objects)
    stale = objects.read(NAME)
    assert stale is not None
    live.advance()
    later = live.statement
    assert later is not None
    damage(objects, stale.data)
    other = opened(objects)
    other.remember(later)
    other.look()
    assert trial_of(other).now.share == 0.25


@pytest.mark.parametrize(("outcome", "reference"), [("promoted", B), ("rolled_back", A)])
def test_a_verdict_that_the_registry_lost_stands(
    objects: LocalObjects, outcome: str, reference: ModelReference
) -> None:
    live = trying(objects)
    stale = objects.read(NAME)
    assert stale is not None
    live.end("promoted" if outcome == "promoted" else "rolled_back", "")
    damage(objects, stale.data)
    other = opened(objects)
    assert live.statement is not None
    other.remember(live.statement)
    other.look()
    pointer = known(opened(objects))
    assert (pointer.now.reference, pointer.trial, pointer.ended[-1].outcome) == (reference, None, outcome)
    assert pointer.ended[-1].told


def test_one_who_was_given_no_answer_meets_its_own_writing(
    objects: LocalObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = opened(objects)
    live.move(A, "")
    swap = LocalObjects.swap

    def write_and_say_nothing(store: LocalObjects, name: str, data: bytes, expected: str | None) -> str | None:
        swap(store, name, data, expected)
        raise StorageUnavailable("lost")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LocalObjects, "swap", write_and_say_nothing)
        with pytest.raises(StorageUnavailable):
            live.begin(B, policy())
    live.look()
    assert live.met_itself
    live.look()
    assert not live.met_itself


def test_a_pointer_of_an_earlier_version_is_read(objects: LocalObjects) -> None:
    opened(objects).move(A, "")
    found = objects.read(NAME)
    assert found is not None
    value = json.loads(found.data)
    for word in ("epoch", "trial", "ended"):
        del value[word]
    read = Pointer.decode(json.dumps(value).encode(), PATTERN)
    assert (read.epoch, read.trial, read.ended) == (1, None, ())


HOSTILE_TRIALS: list[dict[str, object]] = [
    {"number": 99},
    {"number": 0},
    {"number": True},
    {"policy": "none"},
    {"policy": "canary:" + "1%/1," * 100_000},
    {"policy": 7},
    {"step": 2},
    {"step": -1},
    {"old": {"uri": C.uri, "sha256": C.sha256}},
    {"new": {"uri": A.uri, "sha256": A.sha256}},
    {"new": {"uri": "", "sha256": B.sha256}},
    {"new": {"uri": B.uri, "sha256": "b"}},
    {"new": []},
    {"begun": None},
    {"limits": {}},
    {"limits": None},
]


@pytest.mark.parametrize("change", HOSTILE_TRIALS)
def test_a_trial_that_cannot_be_is_not_believed(objects: LocalObjects, change: dict[str, object]) -> None:
    trying(objects)
    found = objects.read(NAME)
    assert found is not None
    value = json.loads(found.data)
    value["trial"] |= change
    with pytest.raises(ValueError):
        Pointer.decode(json.dumps(value).encode(), PATTERN)


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "won"},
        {"outcome": []},
        {"figures": 7},
        {"told": "no"},
        {"again": 1},
        {"trial": None},
        {"why": {}},
    ],
)
def test_an_end_that_cannot_be_is_not_believed(objects: LocalObjects, change: dict[str, object]) -> None:
    trying(objects).end("rolled_back", "")
    found = objects.read(NAME)
    assert found is not None
    value = json.loads(found.data)
    value["ended"][0] |= change
    with pytest.raises(ValueError):
        Pointer.decode(json.dumps(value).encode(), PATTERN)


@pytest.mark.parametrize("change", [{"epoch": 0}, {"epoch": "2"}, {"trial": 7}, {"ended": 7}, {"ended": [7]}])
def test_a_pointer_whose_trials_are_none_is_not_believed(objects: LocalObjects, change: dict[str, object]) -> None:
    trying(objects)
    found = objects.read(NAME)
    assert found is not None
    with pytest.raises(ValueError):
        Pointer.decode(json.dumps(json.loads(found.data) | change).encode(), PATTERN)
