"""A trial as people look at it: what the registry holds, whoever wrote it, in one value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.artefacts import DEFAULT_MAX_VALUES
from models.reference import ModelReference
from models.registry.registry import Registry, Terms
from models.storage.local_objects import LocalObjects
from models.trials.evidence import Evidence
from models.trials.gist import Gist
from models.trials.judging import judge
from models.trials.policy import Policy
from models.trials.terms import Limits
from models.trials.view import ended_trials, judgement_from, trial_now, view_of_ended

OLD, NEW = ModelReference("m/old.onnx", "a" * 64), ModelReference("m/new.onnx", "b" * 64)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(LocalObjects(tmp_path / "registry"), "m/*.onnx", Terms("auto", DEFAULT_MAX_VALUES))


def begin(registry: Registry) -> int:
    policy = Policy.parse("shadow:10%/30")
    assert policy is not None
    registry.live.look()
    assert registry.live.move(OLD, "the first")
    assert registry.live.begin(NEW, policy)
    told = trial_now(registry)
    assert told is not None
    return told.trial.number


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
    number = begin(registry)
    for worker in ("w-1", "w-2", "w-3"):
        registry.trials.write(number, worker, unlike(100).encode())
    registry.trials.write(number, "w-4", b"not evidence")
    registry.trials.keep_seconds(number, 0, 12.5)
    told = trial_now(registry)
    assert told is not None
    assert told.evidence.paired.unlike == 300
    assert (told.state, told.seconds, told.judgement.decision) == ("running", 12.5, "worse")
    shown = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert (shown["old"]["model_id"], shown["new"]["sha256"]) == (OLD.model_id, NEW.sha256)
    assert (shown["step"], shown["steps"], shown["ended"]) == (1, [{"share": 0.1, "minutes": 30.0}], None)


def test_a_trial_that_ended_shows_what_its_verdict_rests_on(registry: Registry) -> None:
    number = begin(registry)
    registry.trials.write(number, "w-1", unlike(300).encode())
    lenient = Limits(min_agreement=0.0)
    verdict = judge(unlike(300), "shadow", lenient)
    assert registry.live.end("promoted", verdict.why, verdict.to_json())
    [ended] = ended_trials(registry)
    told = view_of_ended(registry, ended)
    assert told.judgement == verdict
    assert told.state == "promoted"
    assert told.evidence.paired.unlike == 300


def test_where_no_numbers_were_written_down_the_evidence_is_judged_anew(registry: Registry) -> None:
    number = begin(registry)
    registry.trials.write(number, "w-1", unlike(300).encode())
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
