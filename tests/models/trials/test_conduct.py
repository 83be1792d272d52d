"""From a trial's beginning to its end, in a fleet on simulated time whose bucket works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from models.reference import ModelReference
from models.registry.pointer import LivePointer
from models.registry.registry import Registry, Terms
from models.trials.evidence import Evidence, Side
from models.trials.gathered import gathered
from models.trials.gist import Gist
from models.trials.judging import Judgement, judged
from models.trials.policy import Policy, Undecided
from models.trials.terms import NO_TRIALS, Limits, TrialTerms
from models.trials.trial import Trial
from tests.models.fleet.answers import SILENT, UNPROVED, WORSE, judge_by_count
from tests.models.fleet.process import Process
from tests.models.fleet.world import FOLDER, PATTERN, Bucket, digest_of
from tests.models.trials.small_fleet import LOOK_SECONDS, Fleet, model

CANARY = TrialTerms(Policy.parse("canary:10%/10,50%/10"))
SHADOW = TrialTerms(Policy.parse("shadow:50%/10"))
SIDES: tuple[Side, ...] = ("old", "new")


OLD, NEW = model("old.h5", "good old"), model("new.h5", "good new")


def test_the_first_model_of_all_goes_live_at_once() -> None:
    fleet = Fleet(CANARY)
    fleet.upload("old.h5", "good old")
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (OLD, None)


def test_a_newer_model_is_tried_while_the_older_one_stays_live() -> None:
    fleet = Fleet(CANARY, CANARY)
    fleet.begin()
    assert fleet.pointer.now.reference == OLD
    trial = fleet.trial
    assert (trial.old, trial.new, trial.step) == (OLD, NEW, 0)
    began = fleet.told[-1]
    assert (began.event, began.model_id, began.model_name) == ("trial_began", NEW.model_id, "m")
    assert "canary:10%/10,50%/10" in began.reason


def test_without_a_policy_a_newer_model_goes_live_at_once() -> None:
    fleet = Fleet(NO_TRIALS)
    fleet.upload("old.h5", "good old")
    fleet.upload("new.h5", "good new")
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (NEW, None)


def test_a_file_that_is_overwritten_is_tried_too() -> None:
    fleet = Fleet(CANARY)
    fleet.upload("old.h5", "good old")
    fleet.upload("old.h5", "good new")
    assert (fleet.trial.old, fleet.trial.new) == (OLD, model("old.h5", "good new"))


def test_what_follows_a_file_that_is_gone_goes_live_at_once() -> None:
    fleet = Fleet(CANARY)
    fleet.upload("old.h5", "good old")
    fleet.world.upload("other.h5", "good other")
    fleet.world.delete(OLD.uri)
    for _ in range(3):
        fleet.look()
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (model("other.h5", "good other"), None)


def test_what_was_live_before_goes_live_at_once() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.person().end("promoted", "by hand")
    fleet.world.now += 1
    fleet.world.touch(OLD.uri)
    for _ in range(3):
        fleet.look()
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (OLD, None)


def test_a_canary_stays_its_time_in_each_step_and_is_promoted_in_the_last() -> None:
    fleet = Fleet(CANARY, CANARY, CANARY)
    fleet.begin()
    fleet.live_on(590, messages=2)
    assert fleet.trial.step == 0
    fleet.live_on(60)
    assert fleet.trial.step == 1
    fleet.live_on(60, messages=50)
    assert fleet.pointer.now.reference == NEW
    assert fleet.kinds() == ["trial_began", "trial_share", "trial_promoted"]
    share, promoted = (each for each in fleet.told if each.event in ("trial_share", "trial_promoted"))
    assert "50% of the images" in share.reason
    assert "images" in promoted.reason
    assert fleet.pointer.ended[-1].figures["decision"] == "proved"
    assert fleet.pointer.now.why == promoted.reason


def test_a_shadow_is_promoted_as_soon_as_it_is_proved() -> None:
    fleet = Fleet(SHADOW)
    fleet.begin()
    fleet.live_on(60, messages=50)
    assert fleet.pointer.now.reference == NEW


@pytest.mark.parametrize("terms", [CANARY, SHADOW])
def test_a_worse_model_is_rolled_back_at_once_and_not_tried_again(terms: TrialTerms) -> None:
    fleet = Fleet(terms, terms)
    fleet.begin(WORSE)
    fleet.live_on(60, messages=50)
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (OLD, None)
    assert fleet.kinds() == ["trial_began", "trial_rolled_back"]
    fleet.live_on(600)
    fleet.world.touch(f"{FOLDER}/new.h5")
    fleet.join(terms)
    fleet.live_on(600)
    assert fleet.kinds() == ["trial_began", "trial_rolled_back"]


def test_a_rolled_back_model_is_tried_again_once_its_bytes_change() -> None:
    fleet = Fleet(CANARY)
    fleet.begin(WORSE)
    fleet.live_on(60, messages=50)
    fleet.upload("new.h5", "good new")
    assert fleet.trial.new == NEW


def test_a_rolled_back_model_is_tried_again_once_somebody_says_so() -> None:
    fleet = Fleet(CANARY)
    fleet.begin(WORSE)
    fleet.live_on(60, messages=50)
    assert fleet.person().try_again(digest_of(WORSE))
    fleet.live_on(60)
    assert fleet.trial.new == model("new.h5", WORSE)


def test_an_overwritten_file_that_was_rolled_back_leaves_live_what_is() -> None:
    fleet = Fleet(CANARY)
    fleet.upload("older.h5", "good other")
    fleet.upload("old.h5", "good old")
    fleet.person().end("promoted", "by hand")
    fleet.upload("old.h5", WORSE)
    fleet.live_on(60, messages=50)
    assert not fleet.pointer.trial
    fleet.live_on(60)
    assert fleet.pointer.now.reference == OLD


@pytest.mark.parametrize("undecided", ["roll_back", "promote"])
def test_time_that_is_up_without_evidence_is_decided_as_was_said(undecided: Undecided) -> None:
    fleet = Fleet(TrialTerms(SHADOW.policy, undecided=undecided))
    fleet.begin(UNPROVED)
    fleet.live_on(580, messages=10)
    assert fleet.trial
    fleet.live_on(60, messages=10)
    live = OLD if undecided == "roll_back" else model("new.h5", UNPROVED)
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (live, None)
    assert fleet.pointer.ended[-1].why.startswith("time is up without enough evidence: ")


def test_a_model_that_answered_next_to_nothing_is_promoted_undecided_by_nobody() -> None:
    fleet = Fleet(TrialTerms(SHADOW.policy, undecided="promote"))
    fleet.begin(SILENT)
    fleet.live_on(640, messages=10)
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (OLD, None)


def test_a_model_that_no_image_came_by_for_is_tried_again() -> None:
    fleet = Fleet(SHADOW)
    fleet.begin()
    first = fleet.trial.number
    fleet.live_on(640)
    assert fleet.pointer.ended[-1].again
    assert (fleet.trial.new, fleet.trial.number > first) == (NEW, True)
    fleet.live_on(640, messages=10)
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (NEW, None)


def test_whoever_judges_rests_after_it_as_long_as_that_took_many_times() -> None:
    fleet = Fleet()
    took: list[float] = []

    def slowly(evidence: Evidence, trial: Trial) -> Judgement:
        began = fleet.world.now
        fleet.world.now += 1
        took.append(began)
        return judge_by_count(evidence, trial)

    process = Process(fleet.world, 0, 0.0, trials=SHADOW, answers=fleet.answers, judge=slowly)
    fleet.processes.append(process)
    fleet.begin()
    fleet.live_on(300)
    assert len(took) > 5
    assert min(after - before for before, after in pairwise(took)) >= 20


def test_a_reader_without_a_policy_brings_the_trial_of_another_to_its_end() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.processes = [Process(fleet.world, 9, 0.0, answers=fleet.answers)]
    fleet.live_on(1300, messages=10)
    assert (fleet.pointer.now.reference, fleet.pointer.ended[-1].outcome) == (NEW, "promoted")


def test_a_third_candidate_waits_and_is_tried_once_the_trial_ends() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.upload("other.h5", "good other")
    fleet.upload("third.h5", "good third")
    assert fleet.trial.new == NEW
    fleet.live_on(1300, messages=5)
    assert fleet.pointer.now.reference == NEW
    assert fleet.trial.new == model("third.h5", "good third")


def test_a_newer_model_that_was_live_before_waits_too() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.world.now += 1
    fleet.world.touch(OLD.uri)
    fleet.live_on(60)
    assert fleet.trial.new == NEW


@pytest.mark.parametrize(
    ("act", "kind", "live"),
    [
        (lambda live: live.end("promoted", "by hand"), "trial_promoted", NEW),
        (lambda live: live.end("rolled_back", "by hand"), "trial_rolled_back", OLD),
        (lambda live: live.move(NEW, "by hand"), "trial_promoted", NEW),
    ],
)
def test_what_is_ended_by_hand_is_told_once(
    act: Callable[[LivePointer], bool], kind: str, live: ModelReference
) -> None:
    fleet = Fleet(CANARY, CANARY, CANARY)
    fleet.begin()
    assert act(fleet.person())
    fleet.live_on(200)
    assert fleet.kinds() == ["trial_began", kind]
    assert (fleet.pointer.now.reference, fleet.pointer.trial) == (live, None)


def test_the_time_of_a_step_goes_on_in_other_processes_whatever_their_clocks_say() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    begun = fleet.world.now
    for skew in (-3600.0, 86400.0, 0.0, -86400.0 * 365):
        fleet.live_on(140)
        fleet.processes = []
        fleet.join(CANARY, skew)
    assert fleet.trial.step == 0
    while fleet.trial.step == 0:
        fleet.live_on(LOOK_SECONDS)
    passed = fleet.world.now - begun
    assert 600 <= passed <= 600 + 6 * LOOK_SECONDS


def test_time_in_which_nobody_looks_is_no_time_of_a_step() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    fleet.live_on(100)
    fleet.processes = []
    fleet.world.now += 86400
    fleet.join(CANARY)
    fleet.live_on(400)
    assert fleet.trial.step == 0


def test_a_registry_that_gives_no_answer_changes_nothing() -> None:
    fleet = Fleet(CANARY)
    fleet.begin(WORSE)
    fleet.look(messages=50)
    fleet.world.down = True
    before = dict(fleet.world.objects)
    fleet.live_on(3600)
    assert fleet.world.objects == before
    fleet.world.down = False
    fleet.look()
    assert fleet.pointer.ended[-1].outcome == "rolled_back"


def test_evidence_that_cannot_be_understood_is_passed_over() -> None:
    fleet = Fleet(SHADOW)
    fleet.begin()
    registry = Registry(Bucket(fleet.world), PATTERN, Terms("auto", 10))
    for number, nonsense in enumerate((b"", b"\xff" * 100, b"[" * 100_000, b"{}")):
        registry.trials.write(fleet.trial.stated, f"stranger-{number}", nonsense)
    fleet.live_on(60, messages=50)
    assert fleet.pointer.now.reference == NEW


def test_what_all_processes_have_gathered_is_judged_together() -> None:
    fleet = Fleet(CANARY)
    fleet.begin()
    evidence = Evidence()
    for side in SIDES:
        for image in range(50):
            evidence.answered(side, Gist("a", 0.9), f"image {image}")
    registry = Registry(Bucket(fleet.world), PATTERN, Terms("auto", 10))
    for worker, data in (("one", evidence.encode()), ("two", b"nonsense"), ("three", evidence.encode())):
        registry.trials.write(fleet.trial.stated, worker, data)
    found = judged(gathered(registry, fleet.trial.stated), fleet.trial)
    assert (found.decision, dict(found.images)) == ("open", {"old": 100, "new": 100})
    evidence.unfit("it crashed")
    assert judged(evidence, fleet.trial).decision == "worse"


def test_a_trial_is_judged_by_the_limits_that_it_began_with() -> None:
    generous = TrialTerms(SHADOW.policy, Limits(min_agreement=0.25), "promote", needs_labels=True)
    fleet = Fleet(generous)
    fleet.begin()
    assert (fleet.trial.limits, fleet.trial.undecided, fleet.trial.needs_labels) == (
        generous.limits, "promote", True,
    )  # fmt: skip
    agreed = Evidence()
    for image in range(3000):
        old, new = Gist("a", 0.9), Gist("a" if image % 2 else "b", 0.9)
        agreed.compared(f"image {image}", old, new)
        agreed.answered("old", old, "")
        agreed.answered("new", new, "")
    findings = {each.what: each.decision for each in judged(agreed, fleet.trial).findings}
    assert findings["agreement"] == "proved"
    strict = replace(fleet.trial, limits=Limits())
    assert {each.what: each.decision for each in judged(agreed, strict).findings}["agreement"] == "worse"
