"""Calls that are begun before another model is asked are of one trial at a time."""

from __future__ import annotations

import pytest

from models.trials.ahead import Ahead


def test_all_of_one_trial_may_begin() -> None:
    ahead = Ahead()
    with ahead.of(7) as one, ahead.of(7) as other:
        assert (one, other) == (True, True)


def test_none_of_another_trial_may_begin_until_all_of_the_one_before_are_over() -> None:
    ahead = Ahead()
    with ahead.of(7):
        with ahead.of(7), ahead.of(8) as during_both:
            assert not during_both
        with ahead.of(8) as during_one:
            assert not during_one
    with ahead.of(8) as after:
        assert after


def test_who_may_not_begin_holds_nobody_up() -> None:
    ahead = Ahead()
    with ahead.of(7):
        with ahead.of(8) as other:
            assert not other
        with ahead.of(7) as same:
            assert same


def test_a_call_that_fails_is_over() -> None:
    ahead = Ahead()
    with pytest.raises(RuntimeError), ahead.of(7):
        raise RuntimeError
    with ahead.of(8) as after:
        assert after


def test_one_thread_at_a_time_times_models_and_calls_of_its_trial_may_begin_meanwhile() -> None:
    ahead = Ahead()
    with ahead.timing(7) as one, ahead.timing(7) as other, ahead.of(7) as same:
        assert (one, other, same) == (True, False, True)
    with ahead.timing(7) as after:
        assert after


def test_nothing_is_timed_while_calls_of_another_trial_are_begun_nor_begun_while_something_is_timed() -> None:
    ahead = Ahead()
    with ahead.of(7), ahead.timing(8) as other:
        assert not other
    with ahead.timing(8) as one, ahead.of(7) as other:
        assert (one, other) == (True, False)
