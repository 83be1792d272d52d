"""Models whose quality is known: the verdict on each is right in at least 99 of 100 streams, looked at all the time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.trials.planted import (
    IMAGES_A_LOOK,
    PLANTED,
    Planted,
    World,
    looks_of,
    side_by_side,
    stream,
    try_out,
    try_out_in_steps,
)
from models.trials.rules import decide
from models.trials.terms import Limits

SEEDS = range(100)
BY_NAME = {each.name: each for each in PLANTED}


@pytest.mark.parametrize("with_labels", [False, True], ids=["unlabelled", "labelled"])
@pytest.mark.parametrize("mode", ["shadow", "canary"])
@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: each.name)
def test_the_verdict_on_a_planted_model_is_right(planted, mode, with_labels):
    ended = try_out(planted, mode, SEEDS, looks_of(planted), with_labels=with_labels)
    assert ended.right(planted) >= 0.99, dict(zip(*np.unique(ended.decisions, return_counts=True), strict=True))


DAY = World(old_accuracy=0.97, labels=(0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.01))
NIGHT = World(old_accuracy=0.8, labels=(0.01, 0.02, 0.02, 0.05, 0.05, 0.05, 0.1, 0.1, 0.2, 0.4))


WORLDS = pytest.mark.parametrize("worlds", [(DAY, NIGHT), (NIGHT, DAY)], ids=["night falls", "day breaks"])


def in_two_steps(planted, worlds, looks, *, with_labels):
    steps = [replace(world, share=share) for world, share in zip(worlds, (0.05, 0.5), strict=True)]
    return try_out_in_steps(planted, steps, SEEDS, looks, with_labels=with_labels)


@WORLDS
@pytest.mark.parametrize("with_labels", [False, True], ids=["unlabelled", "labelled"])
@pytest.mark.parametrize("name", ["better", "worse", "slower"])
def test_a_stream_that_changes_between_steps_changes_no_verdict(name, worlds, with_labels):
    planted = BY_NAME[name]
    ended = in_two_steps(planted, worlds, 150 if with_labels else 100, with_labels=with_labels)
    assert ended.right(planted) >= 0.99, dict(zip(*np.unique(ended.decisions, return_counts=True), strict=True))


@WORLDS
def test_the_same_model_again_is_no_worse_for_a_stream_that_gets_harder_or_easier(worlds):
    twin = Planted("twin", keeps=1.0, mends=0.0)
    assert in_two_steps(twin, worlds, 100, with_labels=False).right(twin) >= 0.99
    assert np.mean(in_two_steps(twin, worlds, 100, with_labels=True).decisions == "worse") <= 0.01


@WORLDS
def test_a_model_that_errs_more_does_not_hide_behind_images_that_get_easier(worlds):
    sly = Planted("sly", keeps=0.93, mends=0.0, right=("worse",))
    assert in_two_steps(sly, worlds, 150, with_labels=True).right(sly) >= 0.99


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_an_equal_model_needs_some_thousand_images(mode):
    ended = try_out(BY_NAME["equal"], mode, range(10), looks_of(BY_NAME["equal"]), with_labels=False)
    assert 5_000 <= np.median(ended.images) <= 8_000


@pytest.mark.parametrize("name", ["worse", "slower"])
def test_a_bad_model_goes_back_after_some_hundred_images(name):
    ended = try_out(BY_NAME[name], "canary", range(10), looks_of(BY_NAME[name]), with_labels=False)
    assert IMAGES_A_LOOK <= np.median(ended.images) <= 2_000


def test_only_true_labels_find_a_model_that_is_as_sure_of_more_mistakes():
    sly = Planted("sly", keeps=0.9, mends=0.4, right=("worse",))
    assert sly.accuracy == pytest.approx(0.85)
    labelled = try_out(sly, "canary", range(20), 300, with_labels=True)
    assert labelled.right(sly) == 1
    unlabelled = try_out(sly, "canary", range(20), 100, with_labels=False)
    assert set(unlabelled.decisions) == {"proved"}


@pytest.mark.parametrize("mode", ["shadow", "canary"])
def test_many_streams_are_judged_as_each_by_itself(mode):
    streams = [stream(each, mode, 3, 30, with_labels=True) for each in PLANTED]
    together = decide(side_by_side(streams), mode, Limits())
    for number, each in enumerate(streams):
        alone = decide(each, mode, Limits())
        assert (alone.worse == together.worse[number]).all() and (alone.proved == together.proved[number]).all()
        for name, ruled in alone.ruled.items():
            np.testing.assert_array_equal(ruled.bounds.low, together.ruled[name].bounds.low[number])
            np.testing.assert_array_equal(ruled.bounds.high, together.ruled[name].bounds.high[number])
