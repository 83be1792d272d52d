"""Bounds hold at every look, also for those who look all the time."""

from __future__ import annotations

import numpy as np
import pytest

from models.trials import intervals

LOOKS = np.unique(np.geomspace(10, 20_000, 300).astype(int))
STREAMS = 1000


def up_to_each_look(values):
    return values.cumsum(axis=1)[:, LOOKS - 1]


@pytest.mark.parametrize(("truth", "near"), [(0.001, 0.001), (0.02, 0.001), (0.05, None), (0.8, None)])
def test_a_share_is_never_outside_of_its_bounds(truth, near):
    rng = np.random.default_rng(1)
    hits = up_to_each_look(rng.random((STREAMS, LOOKS[-1])) < truth)
    bounds = intervals.share(hits, np.broadcast_to(LOOKS, hits.shape), near)
    # One in 200 may be on each side; twice of that is beyond chance.
    assert (bounds.high < truth).any(axis=1).mean() <= 2 * intervals.ERROR
    assert (bounds.low > truth).any(axis=1).mean() <= 2 * intervals.ERROR


def test_an_interval_for_one_look_would_be_left():
    rng = np.random.default_rng(1)
    hits = up_to_each_look(rng.random((STREAMS, LOOKS[-1])) < 0.8)
    error = np.sqrt(0.8 * 0.2 / LOOKS)
    assert (np.abs(hits / LOOKS - 0.8) > 2.58 * error).any(axis=1).mean() > 5 * intervals.ERROR


def test_a_mean_is_never_outside_of_its_bounds():
    rng = np.random.default_rng(2)
    means = up_to_each_look(rng.standard_normal((STREAMS, LOOKS[-1]))) / LOOKS
    bounds = intervals.mean(means, 1 / np.sqrt(LOOKS), LOOKS, best_at=2000)
    assert (bounds.high < 0).any(axis=1).mean() <= 2 * intervals.ERROR
    assert (bounds.low > 0).any(axis=1).mean() <= 2 * intervals.ERROR


@pytest.mark.parametrize("labels", [2, 10, 100])
def test_models_that_answer_alike_have_no_drift_by_chance(labels):
    rng = np.random.default_rng(3)
    old, new = (rng.multinomial(each, np.ones(labels) / labels, STREAMS) for each in (20_000, 2_000))
    bounds = intervals.stability_index(old, new, best_at=2000)
    assert bounds.low.max() < 0.02
    assert np.median(bounds.high) < 0.1


def test_drift_is_within_its_bounds():
    rng = np.random.default_rng(4)
    old, new = np.ones(10) / 10, np.array([0.16] * 5 + [0.04] * 5)
    index = ((new - old) * np.log(new / old)).sum()
    drawn = rng.multinomial(3000, old, STREAMS), rng.multinomial(3000, new, STREAMS)
    bounds = intervals.stability_index(*drawn, best_at=2000)
    assert (bounds.low > index).mean() + (bounds.high < index).mean() <= 2 * intervals.ERROR
    assert np.median(bounds.value) == pytest.approx(index, rel=0.05)


def test_what_was_not_seen_is_not_known():
    bounds = intervals.share(0, 0)
    assert (float(bounds.low), float(bounds.high)) == (0, 1)
    index = intervals.stability_index(np.zeros(10), np.zeros(10), best_at=2000)
    assert index.low == 0 and index.high > 1


def test_bounds_close_in_on_a_share():
    wide, narrow = intervals.share(90, 100), intervals.share(9_000, 10_000)
    assert wide.low < narrow.low < 0.9 < narrow.high < wide.high


def test_a_difference_of_shares_has_the_bounds_of_both():
    bounds = intervals.difference_of_shares(100, 1000, 300, 1000)
    assert 0.08 < bounds.low < 0.2 < bounds.high < 0.32
    assert float(bounds.value) == pytest.approx(0.2)
