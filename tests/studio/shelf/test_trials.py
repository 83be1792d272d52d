"""The trial that the page shows is the one that the stream's registry holds, and by hand it ends for all readers."""

from __future__ import annotations

import pytest

from models.reference import ModelReference, StatedTrial
from models.registry.registry import Registry
from models.storage.schemes import AnyStorage
from models.trials.evidence import Evidence
from models.trials.gist import Gist
from models.trials.policy import Policy
from models.trials.terms import NO_TRIALS, TrialTerms
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.shelf.known_models import stream_registry
from studio.shelf.trials import Trials

OLD = ModelReference("models/old.onnx", "a" * 64)
NEW = ModelReference("models/new.onnx", "b" * 64)
POLICY = Policy.parse("canary:10%/5,50%/10")
assert POLICY is not None


@pytest.fixture
def registry(places: Places) -> Registry:
    """As the stream's job has it."""
    return stream_registry(places, AnyStorage())


def begin(registry: Registry) -> StatedTrial:
    """A trial of the new model against the old one."""
    registry.live.look()
    assert registry.live.move(OLD, "the first")
    assert POLICY is not None and registry.live.begin(NEW, POLICY)
    pointer = registry.live.pointer
    assert pointer is not None and pointer.trial is not None
    return pointer.trial.stated


def live(registry: Registry) -> ModelReference:
    registry.live.look()
    assert registry.live.statement is not None
    return registry.live.statement.reference


def test_where_none_was_ever_held_nothing_is_told_but_the_terms(places: Places) -> None:
    assert Trials(places, NO_TRIALS).now() == {"state": "none", "terms": ""}
    assert Trials(places, TrialTerms(POLICY)).now() == {"state": "none", "terms": "canary:10%/5,50%/10"}


def test_the_trial_under_way_is_told_with_what_all_workers_have_seen(places: Places, registry: Registry) -> None:
    trial = begin(registry)
    for worker, images in (("one", 3), ("two", 4)):
        seen = Evidence()
        for _ in range(images):
            seen.answered("new", Gist("7", 0.9))
        registry.trials.write(trial, worker, seen.encode())

    told = Trials(places, NO_TRIALS).now()

    assert (told["state"], told["number"], told["mode"]) == ("running", trial.number, "canary")
    assert (told["share"], told["step"], len(told["steps"])) == (0.1, 1, 2)
    assert (told["new"]["model_id"], told["old"]["model_id"]) == (NEW.model_id, OLD.model_id)
    assert told["judgement"]["images"] == {"old": 0, "new": 7}
    assert told["ended"] is None


@pytest.mark.parametrize(("outcome", "stays"), [("promoted", NEW), ("rolled_back", OLD)])
def test_by_hand_a_trial_ends_at_once(places: Places, registry: Registry, outcome: str, stays: ModelReference) -> None:
    number = begin(registry).number
    trials = Trials(places, NO_TRIALS)

    told = trials.end("promoted" if outcome == "promoted" else "rolled_back", number)

    assert told == trials.now()
    assert (told["state"], told["number"], told["ended"]["outcome"]) == (outcome, number, outcome)
    assert "by the studio's page" in told["ended"]["why"]
    assert told["ended"]["by"] == "the studio's page"
    assert live(registry) == stays


def test_a_trial_that_ended_meanwhile_is_not_ended_again_nor_the_next_one_in_its_place(
    places: Places, registry: Registry
) -> None:
    number = begin(registry).number
    trials = Trials(places, NO_TRIALS)
    trials.end("rolled_back", number)

    for meant in (number, None):
        with pytest.raises(StudioRefused, match="ended meanwhile") as refused:
            trials.end("promoted", meant)
        assert refused.value.trouble is Trouble.NOT_POSSIBLE
    registry.live.look()
    assert POLICY is not None and registry.live.begin(ModelReference("models/third.onnx", "c" * 64), POLICY)
    with pytest.raises(StudioRefused, match="ended meanwhile"):
        trials.end("promoted", number)
    assert live(registry) == OLD


def test_a_registry_that_cannot_be_read_is_told_in_one_line(places: Places) -> None:
    places.registry.rmdir()
    places.registry.symlink_to(places.registry)  # a loop, which no one can follow

    with pytest.raises(StudioRefused) as refused:
        Trials(places, NO_TRIALS).now()
    assert refused.value.trouble is Trouble.NOT_POSSIBLE and "\n" not in str(refused.value)
