"""What befalls the files of a trial, the processes that bring it forward, and what the registry knows."""

from __future__ import annotations

import pytest

from models.artefacts import EngineChoice
from models.registry.records import MOST_ENDED
from models.registry.registry import Registry, Terms
from models.trials.evidence import Evidence
from models.trials.gathered import gathered
from models.trials.gist import Gist
from models.trials.judging import judged
from models.trials.policy import Policy
from models.trials.terms import NO_TRIALS, TrialTerms
from tests.models.fleet.answers import WORSE
from tests.models.fleet.process import Process
from tests.models.fleet.world import PATTERN, Bucket
from tests.models.trials.small_fleet import Fleet, model

CANARY = TrialTerms(Policy.parse("canary:10%/10,50%/10"))
OLD, NEW = model("old.h5", "good old"), model("new.h5", "good new")


def vet_first(process: Process, uri: str) -> None:
    """A process looks, and looks again once it has vetted one file, and no other."""
    process.look()
    for vetting in list(process.vettings):
        if vetting.file.uri == uri:
            process.finish(vetting)
    process.look()


@pytest.mark.parametrize("becomes", ["gone", "overwritten", "invalid"])
def test_a_trial_of_a_file_that_is_gone_is_over_and_the_model_may_come_back(becomes: str) -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    match becomes:
        case "gone":
            fleet.world.delete(NEW.uri)
        case "overwritten":
            fleet.upload("new.h5", "good other")
        case _:
            fleet.upload("new.h5", "bad")
    fleet.live_on(60)
    ended = fleet.pointer.ended[-1]
    assert (fleet.pointer.now.reference, ended.outcome, ended.again) == (OLD, "rolled_back", True)
    assert NEW.uri in ended.why
    fleet.person().end("rolled_back", "the next one is of no interest here")
    fleet.upload("new.h5", "good new")
    assert fleet.trial.new == NEW


@pytest.mark.parametrize("becomes", ["gone", "unsigned"])
def test_a_live_model_that_is_taken_back_stays_live_for_no_trial(becomes: str) -> None:
    fleet = Fleet(CANARY, CANARY)
    fleet.begin()
    if becomes == "gone":
        fleet.world.delete(OLD.uri)
    else:
        fleet.world.unsign(OLD.uri)
    fleet.live_on(60)
    [ended] = fleet.pointer.ended
    assert (ended.outcome, ended.again) == ("rolled_back", True)
    assert OLD.uri in ended.why
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (NEW, None)
    assert fleet.kinds() == ["trial_began", "trial_rolled_back"]


def test_a_live_file_that_is_overwritten_ends_no_trial() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.upload("old.h5", "good other")
    fleet.live_on(60)
    assert (fleet.trial.old, fleet.trial.new) == (OLD, NEW)


def test_an_emptied_folder_ends_no_trial() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    for uri in list(fleet.world.files):
        fleet.world.delete(uri)
    fleet.live_on(1300, messages=20)
    assert fleet.trial.new == NEW


@pytest.mark.parametrize("terms", [CANARY, NO_TRIALS])
@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_a_restart_that_is_not_told_of_a_registry_goes_on_with_the_trial(
    terms: TrialTerms, engine: EngineChoice
) -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.processes = []
    vet_first(fleet.join(terms, adopts=False, engine=engine), NEW.uri)
    assert (fleet.trial.old, fleet.trial.new) == (OLD, NEW)
    fleet.live_on(100)
    assert (fleet.trial.old, fleet.trial.new, fleet.pointer.ended) == (OLD, NEW, ())
    assert fleet.processes[0].tick() == fleet.pointer.statement
    fleet.live_on(1300, messages=10)
    assert (fleet.pointer.now.reference, fleet.kinds()[-1]) == (NEW, "trial_promoted")


@pytest.mark.parametrize("engine", ["auto", "onnx"])
def test_a_restart_that_is_not_told_of_a_registry_tries_what_came_meanwhile(engine: EngineChoice) -> None:
    fleet = Fleet(CANARY)
    fleet.upload("old.h5", "good old")
    fleet.world.now += 1
    fleet.world.upload("new.h5", "good new")
    fleet.processes = []
    vet_first(fleet.join(CANARY, adopts=False, engine=engine), NEW.uri)
    assert (fleet.pointer.now.reference, fleet.trial.new) == (OLD, NEW)
    fleet.live_on(100)
    assert (fleet.pointer.now.reference, fleet.trial.new) == (OLD, NEW)


def test_more_models_than_trials_that_are_remembered_are_rolled_back_and_none_is_tried_twice() -> None:
    fleet = Fleet(TrialTerms(Policy.parse("shadow:50%/10")))
    fleet.upload("old.h5", "good old")
    tried = []
    for number in range(MOST_ENDED + 5):
        fleet.upload(f"{number:03}.h5", f"good {number}")
        tried.append(fleet.trial.new.sha256)
        assert fleet.person().end("rolled_back", "by hand")
    fleet.live_on(600)
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (OLD, None)
    assert list(fleet.pointer.refused) == tried == list(dict.fromkeys(tried))
    assert len(fleet.pointer.ended) == MOST_ENDED
    assert fleet.person().try_again(tried[0])
    fleet.live_on(60)
    assert fleet.trial.new.sha256 == tried[0]


def test_where_the_pointer_is_lost_evidence_of_a_trial_before_decides_no_other() -> None:
    fleet = Fleet(CANARY)
    fleet.begin(WORSE)
    number = fleet.trial.number
    registry = Registry(Bucket(fleet.world), PATTERN, Terms("auto", 10))
    broken = Evidence()
    broken.unfit("it crashed")
    registry.trials.write(fleet.trial.stated, "one", broken.encode())
    registry.trials.keep_seconds(fleet.trial.stated, 1e6)
    fleet.world.objects = {name: each for name, each in fleet.world.objects.items() if not name.startswith("live/")}
    fleet.world.files = {uri: file for uri, file in fleet.world.files.items() if uri == OLD.uri}
    fleet.processes = []
    fleet.join(CANARY)
    fleet.upload("old.h5", "good old")
    fleet.upload("other.h5", "good other")
    assert (fleet.trial.number, fleet.trial.new) == (number, model("other.h5", "good other"))
    fleet.live_on(100)
    assert (fleet.trial.step, fleet.pointer.ended) == (0, ())


def test_what_changes_in_the_stream_between_two_steps_is_no_fault_of_the_new_model() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    registry = Registry(Bucket(fleet.world), PATTERN, Terms("auto", 10))
    trial = fleet.trial
    decisions = []
    for stated, label, images in (
        (trial.stated, "day", {"old": 9000, "new": 1000}),
        (trial.advanced().stated, "night", {"old": 5000, "new": 5000}),
    ):
        seen = Evidence()
        for image in range(images["old"]):
            seen.answered("old", Gist(label, 0.9), f"image {image}")
        for image in range(images["new"]):
            seen.answered("new", Gist(label, 0.9), f"image {image}")
        registry.trials.write(stated, "one", seen.encode())
        decisions.append(judged(gathered(registry, stated), trial).decision)
    assert "worse" not in decisions
