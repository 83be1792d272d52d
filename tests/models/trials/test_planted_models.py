"""Models whose quality is known: the verdict on each is right in at least 99 of 100 streams, looked at all the time."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.trials.planted import (
    IMAGES_A_LOOK,
    PLANTED,
    Planted,
    looks_of,
    side_by_side,
    stream,
    try_out,
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
