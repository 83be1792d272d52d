"""New models of a real stream prove themselves: by what they answer, by hand, through a kill, and with two jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.pubsub_emulator import PubSubEmulator
from models.reference import StatedTrial
from models.trials.sides import is_tried
from tests.end_to_end.trial_stream import TrialStream
from tests.own_process import run_module

pytestmark = pytest.mark.end_to_end

PROBES = 120


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keras models, each as good as its name says."""
    folder = tmp_path_factory.mktemp("tried")
    run_module("tests.end_to_end.tried_models", folder)
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubSubEmulator]:
    """What every job of these tests finds."""
    with PubSubEmulator() as broker, pytest.MonkeyPatch.context() as variables:
        variables.setenv("PUBSUB_EMULATOR_HOST", broker.address)
        variables.setenv("HOTSWAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield broker


@pytest.fixture(scope="module")
def canary(made: Path, environment: PubSubEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """One stream through which all kinds of trials go; the tests below read what it saw."""
    stream = TrialStream(tmp_path_factory.mktemp("canary"), environment, made, "canary:50%/30")
    try:
        told = Canary(stream)
        told.go_through_everything()
        yield told
    finally:
        stream.close()


class Probed:
    """Messages of which it is known that they were answered while a trial was under way."""

    def __init__(self, stream: TrialStream, trial: StatedTrial) -> None:
        self.trial = trial
        self.answers = {each: list(stream.answered[each]) for each in stream.probe(PROBES)}

    def answered_by(self, name: str) -> float:
        """The share of the messages that a model answered."""
        return sum(names[0] == name for names in self.answers.values()) / len(self.answers)


class Canary:
    """A stream, and the moments worth checking."""

    def __init__(self, stream: TrialStream) -> None:
        self.stream = stream
        self.probed: dict[str, Probed] = {}
        self.exit_codes: list[int] = []

    def go_through_everything(self) -> None:
        """A worse model, its bytes changed; a slow one, and one that waits; a kill; a second job; by hand."""
        stream = self.stream
        stream.land("good")
        first = stream.start_job()
        stream.until(lambda: any(stream.answered.values()), "the first answer")
        stream.land("worse")
        self.of_worse = stream.until_ended("worse")
        self.after_worse = stream.probe(PROBES)
        stream.land("as_good", "worse")
        self.trial_of_changed = stream.until_tried("worse", loads=2)
        self.of_changed = stream.until_ended("worse", times=2)
        stream.land("slow")
        stream.until_tried("slow", loads=1)
        stream.land("good_too")
        stream.until(lambda: stream.told("accepted", "good_too"), "the third to be vetted")
        self.of_slow = stream.until_ended("slow")
        stream.until_tried("good_too", loads=1)
        self.before_kill = stream.status()["trial"]
        stream.kill(first)
        stream.start_job()
        stream.start_job()
        trial = stream.until_tried("good_too", loads=3)
        self.after_kill = stream.status()["trial"]
        self.probed["good_too"] = Probed(stream, trial)
        self.aborted = stream.verb("abort")
        self.of_aborted = stream.until_ended("good_too")
        stream.verb("retry", "--model", "good_too.h5")
        stream.until_tried("good_too", loads=5)
        self.promoted = stream.verb("promote")
        stream.until_ended("good_too", times=2)
        self.end_by_evidence()
        self.exit_codes = [job.finish() for job in stream.jobs]

    def end_by_evidence(self) -> None:
        """Both jobs see one more model through, and judge it."""
        self.stream.land("another")
        self.of_another = self.stream.until_ended("another")
        self.stream.until(lambda: self.answers_of("another", 2 * len(self.stream.jobs)), "answers of another")

    def answers_of(self, name: str, count: int) -> bool:
        """Whether the latest answers are of a model."""
        latest = list(self.stream.answered.values())[-count:]
        return all(names == [name] * len(self.stream.jobs) for names in latest if names)


def test_a_worse_model_is_rolled_back_with_the_numbers_that_tell_why(canary: Canary) -> None:
    assert canary.of_worse["event"] == "trial_rolled_back"
    assert re.search(r"labels shifted by [\d.]+ \(at least [\d.]+, limit 1\)", canary.of_worse["reason"])
    assert {canary.stream.answered[each][0] for each in canary.after_worse} == {"good"}


def test_what_was_rolled_back_is_tried_again_once_its_bytes_change_and_not_before(canary: Canary) -> None:
    began = canary.stream.told("trial_began", "worse")
    assert len({each["model_id"] for each in began}) == len(began) == 2
    assert canary.of_changed["event"] == "trial_promoted"


def test_a_slow_model_is_rolled_back_however_right_its_answers_are(canary: Canary) -> None:
    assert canary.of_slow["event"] == "trial_rolled_back"
    assert re.match(r"calls [\d.e+]+ times as long \(at least [\d.e+]+, limit 30\)", canary.of_slow["reason"])


def test_a_third_model_waits_until_the_trial_has_ended(canary: Canary) -> None:
    order = [
        (each["event"], each["model_name"])
        for each in canary.stream.told_of_trials()
        if each["model_name"] in ("slow", "good_too")
    ]
    assert order[:3] == [("trial_began", "slow"), ("trial_rolled_back", "slow"), ("trial_began", "good_too")]


def test_after_a_kill_the_same_trial_goes_on(canary: Canary) -> None:
    same = ("number", "policy", "step", "begun", "new", "old")
    assert {key: canary.after_kill[key] for key in same} == {key: canary.before_kill[key] for key in same}


def test_the_same_message_is_on_the_same_side_in_every_job(canary: Canary) -> None:
    probed = canary.probed["good_too"]
    for message_id, names in probed.answers.items():
        assert names == ["good_too" if is_tried(probed.trial, message_id) else "worse"] * 2
    assert 0.25 < probed.answered_by("good_too") < 0.75


def test_every_tag_is_true_through_all_of_it(canary: Canary) -> None:
    worse = canary.of_worse["model_id"]
    for result in canary.stream.results():
        right = canary.stream.quarter_of(result["image"])
        assert result["class_index"] == (0 if result["model_id"] == worse else right)


def test_a_trial_is_aborted_and_promoted_by_hand_and_each_is_told_once(canary: Canary) -> None:
    ends = canary.stream.ends("good_too")
    assert [each["event"] for each in ends] == ["trial_rolled_back", "trial_promoted"]
    assert canary.aborted.strip().endswith(canary.of_changed["model_id"])
    assert canary.promoted.strip().endswith(ends[0]["model_id"])


def test_two_jobs_come_to_one_verdict(canary: Canary) -> None:
    assert canary.of_another["event"] == "trial_promoted"
    assert len(canary.stream.told("trial_began", "another")) == len(canary.stream.ends("another")) == 1
    numbers = [ended["number"] for ended in canary.stream.status()["ended"]]
    assert len(numbers) == len(set(numbers)) == 6


def test_nothing_is_lost_and_jobs_that_are_asked_to_end_end_well(canary: Canary) -> None:
    assert canary.exit_codes == [0, 0]
    assert canary.stream.dead_letters() == []


def test_in_a_shadow_no_result_is_of_a_model_that_is_tried(
    made: Path, environment: PubSubEmulator, tmp_path: Path
) -> None:
    stream = TrialStream(tmp_path, environment, made, "shadow:100%/30")
    try:
        stream.land("good")
        stream.start_job()
        stream.until(lambda: any(stream.answered.values()), "the first answer")
        stream.land("worse")
        of_worse = stream.until_ended("worse")
        by_now = stream.results()
        stream.land("as_good")
        of_good = stream.until_ended("as_good")
    finally:
        stream.close()
    assert {result["model_name"] for result in by_now} == {"good"}
    assert of_worse["event"] == "trial_rolled_back"
    assert re.search(r"same label for [\d.]+ % of [\d,]+ \(at most [\d.]+ %, limit 80.0 %\)", of_worse["reason"])
    assert of_good["event"] == "trial_promoted"
