"""What `hotswap trial` promises of status, promote, abort and retry: on real registries, whoever else is at work."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from launch.command_line import CommandFailed
from launch.ending_trials import end_trial
from models.artefacts import DEFAULT_MAX_VALUES
from models.registry.registry import Registry, Terms
from models.storage.objects import Found, ObjectStore
from models.storage.schemes import AnyStorage
from models.trials.view import trial_now
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id
from tests.launch.commands.trials_at_work import FLAGS, PATTERN, REGISTRY, begin, fleet, now_live, registry, under_way
from tests.launch.trials import planted
from tests.waiting import eventually

_VERBS = ("promote", "abort", "retry")


class Overtaken:
    """A store in which something happens before the first write."""

    def __init__(self, objects: ObjectStore, meanwhile: Callable[[], object]) -> None:
        self._objects = objects
        self._meanwhile: Callable[[], object] | None = meanwhile

    @property
    def address(self) -> str:
        return self._objects.address

    def read(self, name: str) -> Found | None:
        return self._objects.read(name)

    def names(self, folder: str) -> Sequence[str]:
        return self._objects.names(folder)

    def remove(self, name: str, expected: str | None) -> bool:
        return self._objects.remove(name, expected)

    def upload(self, source: Path, name: str) -> None:
        self._objects.upload(source, name)

    def download(self, name: str, target: Path, most: int) -> None:
        self._objects.download(name, target, most)

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return self._objects.swap(name, data, expected)


def overtaken(meanwhile: Callable[[], object]) -> Registry:
    store = Overtaken(AnyStorage().objects(REGISTRY), meanwhile)
    return Registry(store, PATTERN, Terms("auto", DEFAULT_MAX_VALUES))


def told(hotswap: Command) -> dict[str, Any]:
    return json.loads(hotswap("trial", "status", *FLAGS, "--json").out)


def states(hotswap: Command) -> dict[str, tuple[str, str]]:
    answer = json.loads(hotswap("models", *FLAGS, "--json").out)
    return {Path(each["uri"]).name: (each["state"], each["reason"]) for each in answer}


def test_without_a_trial_status_says_so_in_one_line(hotswap: Command) -> None:
    outcome = hotswap("trial", "status", *FLAGS)
    assert (outcome.code, outcome.out) == (0, "no trial is under way\n")
    assert told(hotswap) == {"trial": None, "ended": []}


@pytest.mark.parametrize("verb", _VERBS)
def test_without_a_trial_nothing_can_be_said_about_one(hotswap: Command, verb: str) -> None:
    outcome = hotswap("trial", verb, *FLAGS)
    assert (outcome.code, outcome.out) == (1, "")
    assert error_line(outcome)


@pytest.mark.parametrize("verb", ["status", "report", *_VERBS])
def test_trials_are_known_to_a_registry_alone(hotswap: Command, verb: str) -> None:
    outcome = hotswap("trial", verb, PATTERN)
    assert outcome.code == 2
    assert "--registry is missing" in error_line(outcome)


@pytest.mark.parametrize("verb", ["status", "report", *_VERBS])
def test_a_pattern_that_the_shell_has_taken_apart_is_refused(hotswap: Command, verb: str) -> None:
    outcome = hotswap("trial", verb, "m/a.onnx", "m/b.onnx", "--registry", REGISTRY)
    assert outcome.code == 2
    assert "quote the pattern" in error_line(outcome)


def test_status_tells_what_is_tried_and_how_it_fares(hotswap: Command) -> None:
    trial = begin("shadow:10%/30")
    for worker in ("w-1", "w-2"):
        registry().trials.write(trial.stated, worker, planted.shadow(1500, right=0.6).encode())
    lines = hotswap("trial", "status", *FLAGS).out.splitlines()
    rows = {line.split("\t")[0]: line for line in lines if not line.startswith("limit\t")}
    assert model_id("m/new.onnx") in rows["tried"]
    assert model_id("m/old.onnx") in rows["against"]
    assert "shadow:10%/30" in rows["policy"]
    assert "1 of 1: 10% of the images for 30 minutes" in rows["step"]
    assert "3,000 images" in rows["asked"]
    limits = {line.split("\t")[1]: line.split("\t") for line in lines if line.startswith("limit\t")}
    assert limits["agreement of labels"][5] == "broken"
    assert "at least 80%" in limits["agreement of labels"]

    answer = told(hotswap)["trial"]
    assert (answer["state"], answer["mode"], answer["share"], answer["step"]) == ("running", "shadow", 0.1, 1)
    assert answer["new"]["model_id"] == model_id("m/new.onnx")
    assert answer["judgement"]["decision"] == "worse"
    assert now_live().uri == "m/old.onnx"


def test_what_a_stranger_put_among_the_evidence_counts_as_nothing(hotswap: Command) -> None:
    trial = begin()
    registry().trials.write(trial.stated, "w-1", planted.shadow(200, right=0.9).encode())
    registry().trials.write(trial.stated, "w-2", b"\x00 no evidence")
    assert hotswap("trial", "status", *FLAGS).code == 0
    view = trial_now(registry())
    assert view is not None
    assert view.judgement.images == {"old": 200, "new": 200}


def test_status_says_where_the_registry_does_not_know_the_pattern(hotswap: Command) -> None:
    outcome = hotswap("trial", "status", "m/*.h5", *FLAGS[1:])
    assert (outcome.code, outcome.out) == (0, "no trial is under way\n")
    assert "knows of no model that was ever live for m/*.h5" in outcome.err


def test_promote_has_the_new_model_answer_everything_and_says_who_did_it(hotswap: Command) -> None:
    trial = begin()
    outcome = hotswap("trial", "promote", *FLAGS)
    assert (outcome.code, outcome.last_line) == (0, model_id("m/new.onnx"))
    assert now_live() == trial.new
    [ended] = told(hotswap)["ended"]
    assert ended["outcome"] == "promoted"
    assert ended["why"].startswith("promoted by ")
    assert ended["by"]
    assert hotswap("trial", "status", *FLAGS).out.splitlines()[0] == "no trial is under way"
    assert hotswap("trial", "promote", *FLAGS).code == 1
    with fleet("shadow:10%/30") as serving:
        eventually(
            lambda: serving.watch.statement and serving.events.counts()["trial_promoted"] == 1,
            "whoever watches tells of it, once",
        )


def test_abort_leaves_the_old_model_and_the_new_one_is_not_tried_again(hotswap: Command) -> None:
    trial = begin()
    registry().trials.write(trial.stated, "w-1", planted.shadow(200, right=0.9).encode())
    outcome = hotswap("trial", "abort", *FLAGS)
    assert (outcome.code, outcome.last_line) == (0, model_id("m/old.onnx"))
    assert now_live() == trial.old
    state, reason = states(hotswap)["new.onnx"]
    assert state == "rolled_back"
    assert "aborted by " in reason
    assert "failures 0 of 200" in reason, "the numbers that whoever did it had before them"
    with fleet("shadow:10%/30") as serving:
        eventually(lambda: serving.watch.statement and serving.events.counts()["trial_rolled_back"] == 1, "it is told")
        assert serving.watch.statement is not None
        assert serving.watch.statement.trial is None


def test_models_tells_which_file_is_tried(hotswap: Command) -> None:
    begin("canary:5%/10,25%/10")
    told_of = states(hotswap)
    assert told_of["old.onnx"] == ("live", "")
    state, reason = told_of["new.onnx"]
    assert state == "trial"
    assert "5% of the images" in reason
    assert "trial\tm/new.onnx\t" in hotswap("models", *FLAGS).out


def test_retry_lets_a_model_that_was_rolled_back_be_tried_once_more(hotswap: Command) -> None:
    first = begin()
    hotswap("trial", "abort", *FLAGS)
    assert hotswap("trial", "retry", *FLAGS, "--model", "old").code == 2
    outcome = hotswap("trial", "retry", *FLAGS, "--model", first.new.digest)
    assert (outcome.code, outcome.last_line) == (0, model_id("m/new.onnx"))
    assert states(hotswap)["new.onnx"][0] == "valid"
    assert hotswap("trial", "retry", *FLAGS).code == 1
    with fleet("shadow:10%/30") as serving:
        eventually(lambda: (now := serving.watch.statement) and now.trial, "it is tried again")
    assert under_way().number > first.number


def test_retry_names_the_last_one_where_nothing_is_named(hotswap: Command) -> None:
    begin()
    hotswap("trial", "abort", *FLAGS)
    drop("m/newer.onnx", 2)
    with fleet("shadow:10%/30") as serving:
        eventually(lambda: (now := serving.watch.statement) and now.trial, "another one is tried")
    hotswap("trial", "abort", *FLAGS)
    assert hotswap("trial", "retry", *FLAGS).last_line == model_id("m/newer.onnx")
    assert hotswap("trial", "retry", *FLAGS).last_line == model_id("m/new.onnx")


@pytest.mark.parametrize("first", ["promote", "abort"])
def test_of_two_people_at_once_the_slower_one_is_told_who_was_faster(hotswap: Command, first: str) -> None:
    begin()
    slower = overtaken(lambda: hotswap("trial", first, *FLAGS))
    with pytest.raises(CommandFailed, match="somebody else was faster: new was "):
        end_trial(slower, "rolled_back" if first == "promote" else "promoted")
    [ended] = told(hotswap)["ended"]
    assert ended["outcome"] == ("promoted" if first == "promote" else "rolled_back")


def test_a_step_that_begins_meanwhile_is_no_reason_to_give_up(hotswap: Command) -> None:
    begin("canary:5%/10,25%/10")
    other = registry()
    other.live.look()
    trial = end_trial(overtaken(other.live.advance), "promoted")
    assert now_live() == trial.new
    assert told(hotswap)["ended"][0]["outcome"] == "promoted"
