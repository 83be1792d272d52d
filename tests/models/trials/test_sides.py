"""Which images a trial is about: the share that was asked for, and the same ones for every process."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from apache_beam.io import PubsubMessage

from launch.dead_letters import message_of
from models.errors import ImageFault
from models.records import DeadLetter, ImageRequest, Origin, encode
from models.reference import Mode, ModelReference, StatedTrial
from models.trials.sides import is_tried, part_in, position, trial_key
from transforms.messages import ParseMessage
from transforms.process import JobRun

IMAGES = [f"message-{number}" for number in range(10_000)]
SHARES = (0.01, 0.05, 0.10, 0.25, 0.50)


def trial(share: float, number: int = 7, digit: str = "b", mode: Mode = "canary") -> StatedTrial:
    return StatedTrial(number, ModelReference("gs://b/new.h5", digit * 64), mode, share)


@pytest.mark.parametrize("share", SHARES)
def test_a_share_is_exact_within_one_percent_of_all_images_and_as_near_as_chance_allows(share: float) -> None:
    found = sum(is_tried(trial(share), image) for image in IMAGES) / len(IMAGES)
    assert abs(found - share) <= min(0.01, 4 * math.sqrt(share * (1 - share) / len(IMAGES)))
    assert found > 0.6 * share


@pytest.mark.parametrize("share", SHARES)
def test_shares_differ_by_no_more_than_chance_and_to_neither_side(share: float) -> None:
    found = [sum(is_tried(trial(share, number), image) for image in IMAGES) / len(IMAGES) for number in range(1, 31)]
    by_chance = math.sqrt(share * (1 - share) / len(IMAGES))
    assert max(abs(each - share) for each in found) <= 4 * by_chance
    assert abs(sum(found) / len(found) - share) <= 4 * by_chance / math.sqrt(len(found))


@pytest.mark.parametrize("prefix", ["", "gs://bucket/images/2026/", "\udcff\u2028"])
def test_names_that_are_alike_are_spread_all_the_same(prefix: str) -> None:
    tried = sum(is_tried(trial(0.1), f"{prefix}{number:06}.png") for number in range(10_000))
    assert abs(tried / 10_000 - 0.1) <= 0.01


def test_an_image_of_a_share_is_one_of_every_greater_share() -> None:
    for lesser, greater in zip(SHARES, (*SHARES[1:], 1.0), strict=True):
        inside = [image for image in IMAGES if is_tried(trial(lesser), image)]
        assert inside
        assert all(is_tried(trial(greater), image) for image in inside)


def test_all_images_are_one_of_the_whole() -> None:
    assert all(is_tried(trial(1.0), image) for image in IMAGES)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5, 1.0])
def test_a_canary_is_compared_with_three_times_its_share_or_with_all_others(share: float) -> None:
    parts = [part_in(trial(share), image) for image in IMAGES]
    assert [part == "new" for part in parts] == [is_tried(trial(share), image) for image in IMAGES]
    assert abs(parts.count("old") / len(IMAGES) - min(3 * share, 1 - share)) <= 0.015


def test_a_shadow_is_compared_with_nothing_else() -> None:
    parts = [part_in(trial(0.1, mode="shadow"), image) for image in IMAGES]
    assert set(parts) == {"new", None}


def test_an_image_is_on_the_same_side_in_every_process() -> None:
    program = (
        "from models.reference import ModelReference, StatedTrial\n"
        "from models.trials.sides import is_tried\n"
        "trial = StatedTrial(7, ModelReference('gs://b/new.h5', 64 * 'b'), 'canary', 0.25)\n"
        "print(*(int(is_tried(trial, f'message-{number}')) for number in range(1000)), sep='')\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    here = "".join(str(int(is_tried(trial(0.25), image))) for image in IMAGES[:1000])
    assert told == [here, here]


def test_sides_depend_on_nothing_but_the_trial_and_the_image() -> None:
    assert position(trial(0.01), "m") == position(trial(0.5, mode="shadow"), "m")


@pytest.mark.parametrize("message_id", ["17", ""])
def test_a_replay_is_told_apart_as_the_message_that_became_a_dead_letter_first(message_id: str) -> None:
    request = ImageRequest("/images/ü.png", Origin(message_id, "", {"customer": "42"}))
    key = trial_key(request)
    for new_id in ("18", "19"):  # the replay becomes a dead letter too, and is replayed
        letter = DeadLetter(request.image, None, "predict", ImageFault.MODEL_CRASHED, "", request.origin)
        replay = message_of(json.loads(encode(letter)))
        [request] = ParseMessage(JobRun("replays")).process(PubsubMessage(replay.data, dict(replay.attributes), new_id))
        assert request.origin.message_id == new_id
        assert trial_key(request) == key == (message_id or request.image)


def test_an_image_whose_message_has_no_id_is_told_apart_by_its_path() -> None:
    assert trial_key(ImageRequest("/images/1.png", Origin("", "", {}))) == "/images/1.png"


@pytest.mark.parametrize("other", [trial(0.5, number=8), trial(0.5, digit="c")])
def test_another_trial_is_about_other_images(other: StatedTrial) -> None:
    both = sum(is_tried(trial(0.5), image) and is_tried(other, image) for image in IMAGES)
    assert abs(both / len(IMAGES) - 0.25) <= 0.015
