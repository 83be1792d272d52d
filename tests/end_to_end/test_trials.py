"""New models of a real stream prove themselves: by what they answer, by hand, through a kill, and with two jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.pubsub_emulator import PubSubEmulator
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
def judged(made: Path, environment: PubSubEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    """A job whose models are judged by what they answer; the tests below read what it saw."""
    stream = TrialStream(tmp_path_factory.mktemp("judged"), environment, made, "canary:50%/30")
    try:
        yield Judged(stream)
    finally:
        stream.close()


@pytest.fixture(scope="module")
def led(made: Path, environment: PubSubEmulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Led]:
    """Two jobs of one registry, one of them begun anew amid a trial, and people who have a say."""
    stream = TrialStream(tmp_path_factory.mktemp("led"), environment, made, "canary:25%/0.1,50%/30")
    try:
        yield Led(stream)
    finally:
        stream.close()


class Judged:
    """A worse model, whose bytes change; a slow one, and one that waits meanwhile."""

    def __init__(self, stream: TrialStream) -> None:
        self.stream = stream
        stream.begin("good")
        stream.land("worse")
        self.of_worse = stream.until_ended("worse")
        self.after_worse = stream.probe(PROBES)
        stream.land("as_good", "worse")
        self.of_changed = stream.until_ended("worse", times=2)
        stream.land("slow")
        stream.until_tried("slow", loads=1)
        stream.land("good_too")
        stream.until(lambda: stream.told("accepted", "good_too"), "the third to be vetted")
        self.of_slow = stream.until_ended("slow")
        stream.until(lambda: stream.told("trial_began", "good_too"), "the third one's turn")
        self.exit_codes = stream.finish()


class Led:
    """A kill amid a trial, a second job, an end by hand, another chance, another end by hand, and a verdict of both."""

    def __init__(self, stream: TrialStream) -> None:
        self.stream = stream
        first = stream.begin("good")
        stream.land("good_too")
        stream.until_tried("good_too", loads=1)
        stream.until(lambda: stream.told("trial_share", "good_too"), "the second step")
        self.shares = stream.told("trial_share")
        self.before_kill = stream.status()["trial"]
        stream.kill(first)
        stream.start_job()
        stream.start_job()
        self.trial = stream.until_tried("good_too", loads=3)
        self.after_kill = stream.status()["trial"]
        self.answers = {each: list(stream.answered[each]) for each in stream.probe(PROBES)}
        self.aborted = stream.verb("abort")
        self.of_aborted = stream.until_ended("good_too")
        stream.verb("retry", "--model", "good_too.h5")
        stream.until_tried("good_too", loads=5)
        self.promoted = stream.verb("promote")
        self.of_promoted = stream.until_ended("good_too", times=2)
        stream.land("another")
        self.of_another = stream.until_ended("another")
        self.ended = stream.status()["ended"]
        self.exit_codes = stream.finish()


def test_a_worse_model_is_rolled_back_with_the_numbers_that_tell_why(judged: Judged) -> None:
    assert judged.of_worse["event"] == "trial_rolled_back"
    assert re.search(r"labels shifted by [\d.]+ \(at least [\d.]+, limit 1\)", judged.of_worse["reason"])
    assert {judged.stream.answered[each][0] for each in judged.after_worse} == {"good"}


def test_what_was_rolled_back_is_tried_again_once_its_bytes_change_and_not_before(judged: Judged) -> None:
    began = judged.stream.told("trial_began", "worse")
    assert len({each["model_id"] for each in began}) == len(began) == 2
    assert judged.of_changed["event"] == "trial_promoted"


def test_a_slow_model_is_rolled_back_however_right_its_answers_are(judged: Judged) -> None:
    assert judged.of_slow["event"] == "trial_rolled_back"
    assert re.match(r"calls ×[\d.]+ as long \(at least ×[\d.]+, limit ×30.00\)", judged.of_slow["reason"])


def test_a_third_model_waits_until_the_trial_has_ended(judged: Judged) -> None:
    told = [(each["event"], each["model_name"]) for each in judged.stream.told_of_trials()]
    assert told[-3:] == [("trial_began", "slow"), ("trial_rolled_back", "slow"), ("trial_began", "good_too")]


def test_every_tag_is_true_through_all_of_it(judged: Judged) -> None:
    worse = judged.of_worse["model_id"]
    results = judged.stream.results()
    assert len({result["model_id"] for result in results}) >= 4
    for result in results:
        right = judged.stream.quarter_of(result["image"])
        assert result["class_index"] == (0 if result["model_id"] == worse else right)


def test_a_canary_goes_on_with_a_greater_share_once_its_minutes_are_over(led: Led) -> None:
    [share] = led.shares
    assert share["reason"].startswith("50% of the images for 30 minutes, step 2 of 2; ")
    assert led.trial.share == 0.5


def test_after_a_kill_the_same_trial_goes_on(led: Led) -> None:
    same = ("number", "policy", "step", "begun", "new", "old")
    assert {key: led.after_kill[key] for key in same} == {key: led.before_kill[key] for key in same}


def test_the_same_message_is_on_the_same_side_in_every_job(led: Led) -> None:
    sides = {each: "good_too" if is_tried(led.trial, each) else "good" for each in led.answers}
    assert led.answers == {each: [side] * 2 for each, side in sides.items()}
    assert 0.25 < list(sides.values()).count("good_too") / PROBES < 0.75


def test_a_trial_is_aborted_and_promoted_by_hand_and_each_is_told_once(led: Led) -> None:
    ends = led.stream.ends("good_too")
    assert [each["event"] for each in ends] == ["trial_rolled_back", "trial_promoted"]
    assert led.aborted.strip().endswith(led.before_kill["old"]["model_id"])
    assert led.promoted.strip().endswith(ends[1]["model_id"])


def test_two_jobs_come_to_one_verdict(led: Led) -> None:
    assert led.of_another["event"] == "trial_promoted"
    assert len(led.stream.told("trial_began", "another")) == len(led.stream.ends("another")) == 1
    assert len(led.ended) == 3


def test_nothing_is_lost_and_jobs_that_are_asked_to_end_end_well(judged: Judged, led: Led) -> None:
    assert judged.exit_codes == [0]
    assert led.exit_codes == [0, 0]
    assert judged.stream.dead_letters() == led.stream.dead_letters() == []
    assert "UNFINISHED" not in judged.stream.log() + led.stream.log()


def test_in_a_shadow_no_result_is_of_a_model_that_is_tried(
    made: Path, environment: PubSubEmulator, tmp_path: Path
) -> None:
    stream = TrialStream(tmp_path, environment, made, "shadow:100%/30")
    try:
        stream.begin("good")
        stream.land("worse")
        of_worse = stream.until_ended("worse")
        by_now = stream.results()
        stream.land("as_good")
        of_good = stream.until_ended("as_good")
    finally:
        stream.close()
    assert {result["model_name"] for result in by_now} == {"good"}
    assert of_worse["event"] == "trial_rolled_back"
    assert re.search(r"same label for [\d.]+% of [\d,]+ \(at most [\d.]+%, limit 80%\)", of_worse["reason"])
    assert of_good["event"] == "trial_promoted"
