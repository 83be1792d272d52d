"""A process never goes back, and doubts the registry only where nothing but earlier statements come."""

from __future__ import annotations

import pytest

from models.following import Following
from models.reference import ModelReference, Statement

POLL = 10.0
MODEL = ModelReference("gs://b/m.h5", "a" * 64)


class Stopwatch:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def following(stopwatch: Stopwatch) -> Following:
    return Following(POLL, stopwatch)


def test_the_latest_epoch_counts_in_whatever_order_statements_come(following: Following) -> None:
    for epoch in (2, 5, 3, 5, 1):
        following.hear(Statement(MODEL, epoch))
    assert following.latest == Statement(MODEL, 5)


def test_late_statements_among_new_ones_are_no_reason_to_doubt(following: Following, stopwatch: Stopwatch) -> None:
    for _ in range(20):
        stopwatch.seconds += POLL
        assert not following.hear(Statement(MODEL, 5))
        assert not following.hear(Statement(MODEL, 4))


def test_nothing_but_earlier_ones_for_three_polls_are(following: Following, stopwatch: Stopwatch) -> None:
    following.hear(Statement(MODEL, 5))
    doubts = []
    for _ in range(8):
        stopwatch.seconds += POLL
        doubts.append(following.hear(Statement(MODEL, 1)))
    assert doubts == [False, False, False, False, True, False, False, False]  # not told again at once
    assert following.latest == Statement(MODEL, 5)
