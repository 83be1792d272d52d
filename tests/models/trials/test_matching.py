"""In which batches of a trial both models are timed."""

from __future__ import annotations

import pytest

from models.trials.matching import FIRST_BATCHES, FIRST_IMAGES, MOST_IMAGES, Matching

BATCH_SECONDS = 0.1


class Stream:
    """Batches one after the other, on a clock of its own."""

    def __init__(self, images: int, pause_seconds: float = 0.0) -> None:
        self._images = images
        self._pause = pause_seconds
        self._now = 0.0
        self.matching = Matching(lambda: self._now)

    def firsts(self, batches: int) -> list[str | None]:
        return [self._batch() for _ in range(batches)]

    def pass_(self, seconds: float) -> None:
        self._now += seconds

    def _batch(self) -> str | None:
        first = self.matching.first() if self.matching.is_due(self._images) else None
        self._now += BATCH_SECONDS
        if first is not None:
            self.matching.took(BATCH_SECONDS)
        self._now += self._pause
        return first


def timed(firsts: list[str | None]) -> int:
    return sum(first is not None for first in firsts)


def test_either_model_is_asked_first_in_half_of_the_timed_batches() -> None:
    firsts = Stream(FIRST_IMAGES).firsts(100)
    assert 0 <= firsts.count("old") - firsts.count("new") <= 1


def test_a_step_begins_with_many_that_are_timed() -> None:
    batches = FIRST_BATCHES * FIRST_IMAGES
    assert timed(Stream(1).firsts(batches)) == FIRST_BATCHES


def test_later_a_full_stream_of_a_small_share_is_slowed_down_by_few() -> None:
    stream = Stream(2)
    stream.firsts(FIRST_BATCHES * FIRST_IMAGES)
    assert timed(stream.firsts(1000)) <= 1000 * 2 / MOST_IMAGES + 1


def test_of_a_great_share_there_are_always_enough() -> None:
    stream = Stream(16)
    stream.firsts(4 * FIRST_BATCHES)
    assert timed(stream.firsts(400)) == pytest.approx(400 * 16 / MOST_IMAGES, abs=1)


def test_no_stream_has_nothing_but_timed_batches() -> None:
    assert timed(Stream(1000).firsts(100)) <= 50


def test_a_batch_that_is_due_and_not_timed_after_all_stays_due() -> None:
    stream = Stream(FIRST_IMAGES)
    stream.firsts(1)
    assert not stream.matching.is_due(1)
    stream.pass_(BATCH_SECONDS)
    assert stream.matching.is_due(FIRST_IMAGES - 1)
    assert stream.matching.is_due(0)
    assert stream.matching.first() == "new"


def test_where_there_is_time_batches_are_timed_however_few_images_come() -> None:
    stream = Stream(1, pause_seconds=60.0)
    assert timed(stream.firsts(100)) == 100


def test_for_each_batch_of_the_new_model_alone_one_of_the_old_is_timed() -> None:
    matching = Matching()
    assert not matching.take_owed()
    matching.owe()
    matching.owe()
    assert [matching.take_owed() for _ in range(3)] == [True, True, False]
