"""A trial as people look at it: what the registry holds, whoever wrote it, in one value."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.artefacts import DEFAULT_MAX_VALUES
from models.reference import ModelReference, StatedTrial
from models.registry.registry import Registry, Terms
from models.storage.local_objects import LocalObjects
from models.trials.evidence import Evidence
from models.trials.gathered import gathered_before
from models.trials.gist import Gist
from models.trials.judging import judge, judged
from models.trials.policy import Policy
from models.trials.terms import Limits
from models.trials.view import ended_trials, judgement_from, trial_now, view_of_ended

OLD, NEW = ModelReference("m/old.onnx", "a" * 64), ModelReference("m/new.onnx", "b" * 64)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(LocalObjects(tmp_path / "registry"), "m/*.onnx", Terms("auto", DEFAULT_MAX_VALUES))


def begin(registry: Registry, policy: str = "shadow:10%/30") -> StatedTrial:
    parsed = Policy.parse(policy)
    assert parsed is not None
    registry.live.look()
    assert registry.live.move(OLD, "the first")
    assert registry.live.begin(NEW, parsed)
    told = trial_now(registry)
    assert told is not None
    return told.trial.stated


def unlike(images: int) -> Evidence:
    """Of two models that agree on nothing."""
    evidence = Evidence()
    for place in range(images):
        old, new = Gist("cat", 0.9), Gist("dog", 0.9)
        evidence.answered("old", old)
        evidence.answered("new", new)
        evidence.compared(f"{place}.png", old, new)
    return evidence


def test_where_nothing_is_tried_there_is_nothing_to_see(registry: Registry) -> None:
    assert trial_now(registry) is None
    assert ended_trials(registry) == []


def test_the_evidence_of_all_workers_is_added_up(registry: Registry) -> None:
    trial = begin(registry)
    for worker in ("w-1", "w-2", "w-3"):
        registry.trials.write(trial, worker, unlike(100).encode())
    registry.trials.write(trial, "w-4", b"not evidence")
    registry.trials.keep_seconds(trial, 12.5)
    told = trial_now(registry)
    assert told is not None
    assert told.evidence.paired.unlike == 300
    assert (told.state, told.seconds, told.judgement.decision) == ("running", 12.5, "worse")
    shown = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert (shown["old"]["model_id"], shown["new"]["sha256"]) == (OLD.model_id, NEW.sha256)
    assert (shown["step"], shown["steps"], shown["ended"]) == (1, [{"share": 0.1, "minutes": 30.0}], None)


def test_all_steps_are_shown_and_the_one_that_it_is_in_is_judged(registry: Registry) -> None:
    trial = begin(registry, "canary:10%/30,50%/30")
    first, second = Evidence(), Evidence()
    for image in range(1000):
        for each in (first, second):
            each.answered("old", Gist("a", 0.9), f"image {image}")
            each.answered("new", Gist("a", 0.9), f"image {image}")
        first.labelled("old", True)
        first.labelled("new", False)
    first.not_loaded("no room")
    second.not_loaded("no room")
    registry.trials.write(trial, "w-1", first.encode())
    before = trial_now(registry)
    assert registry.live.advance()
    registry.trials.write(replace(trial, step=1), "w-1", second.encode())
    after = trial_now(registry)
    assert before is not None and after is not None
    assert (before.judgement.decision, after.judgement.decision) == ("worse", "open")
    assert (after.evidence.new.answered, dict(after.judgement.images)) == (2000, {"old": 1000, "new": 1000})
    assert after.evidence.not_loaded_because.total == 1


def test_in_a_step_of_everything_the_new_model_may_fail_as_often_as_the_old_one_did_before(registry: Registry) -> None:
    trial = begin(registry, "canary:50%/30,100%/30")
    first, second = Evidence(), Evidence()
    for image in range(20_000):
        answer = None if image % 5 == 0 else Gist("a", 0.9)
        first.answered("old", answer)
        second.answered("new", answer)
    registry.trials.write(trial, "w-1", first.encode())
    assert registry.live.advance()
    registry.trials.write(replace(trial, step=1, share=1.0), "w-1", second.encode())
    told = trial_now(registry)
    assert told is not None
    assert told.judgement.decision == "open"
    assert "failures 4,000 of 20,000, before 4,000 of 20,000" in told.judgement.why
    earlier = gathered_before(registry, told.trial.stated)
    assert earlier is not None and earlier.old.failed == 4000
    assert judged(second, told.trial, earlier) == told.judgement
    assert judged(second, told.trial).decision == "worse"
    assert gathered_before(registry, trial) is None


def test_a_trial_that_ended_shows_what_its_verdict_rests_on(registry: Registry) -> None:
    trial = begin(registry)
    registry.trials.write(trial, "w-1", unlike(300).encode())
    lenient = Limits(min_agreement=0.0)
    verdict = judge(unlike(300), "shadow", lenient)
    assert registry.live.end("promoted", verdict.why, verdict.to_json())
    [ended] = ended_trials(registry)
    told = view_of_ended(registry, ended)
    assert told.judgement == verdict
    assert told.state == "promoted"
    assert told.evidence.paired.unlike == 300


def test_where_no_numbers_were_written_down_the_evidence_is_judged_anew(registry: Registry) -> None:
    trial = begin(registry)
    registry.trials.write(trial, "w-1", unlike(300).encode())
    assert registry.live.end("rolled_back", "aborted by ada", {"decision": "because"}, by="ada")
    [ended] = ended_trials(registry)
    assert view_of_ended(registry, ended).judgement.decision == "worse"


def test_figures_are_read_as_they_were_written() -> None:
    judgement = judge(unlike(300), "shadow", Limits())
    assert judgement_from(json.loads(json.dumps(judgement.to_json()))) == judgement


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "fine"},
        {"images": {"old": -1, "new": 1}},
        {"images": None},
        {"findings": None},
        {"findings": [None]},
        {"findings": [{"what": "agreement", "decision": "worse", "text": "so", "value": "<b>"}]},
        {"findings": [{"what": 1, "decision": "worse", "text": "so", "value": 1, "low": 1, "high": 1, "limit": 1}]},
    ],
)
def test_figures_that_a_stranger_wrote_are_not_believed(change: dict[str, Any]) -> None:
    figures = judge(unlike(300), "shadow", Limits()).to_json()
    assert judgement_from(figures | change) is None
