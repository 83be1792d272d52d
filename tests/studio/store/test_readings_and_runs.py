"""How often each model is right on corrections, which of these it was not asked for, and what retrainings came to."""

from __future__ import annotations

from studio.store.corrections import Accuracy, Corrections
from tests.studio.store.drawn import BROWSER, MODEL, new


def numbers(corrections: Corrections, model_id: str, most: int = 100) -> list[int]:
    return [each.number for each in corrections.without_reading(model_id, most)]


def test_what_the_model_had_said_is_its_reading(corrections: Corrections) -> None:
    corrections.correct(new(1, 7, answer="1"))
    corrections.correct(new(2, 7, answer="7"))
    corrections.correct(new(3, 7, answer=None))

    assert list(corrections.accuracy()) == [Accuracy(MODEL, 1, 2, 0, 0)]
    assert numbers(corrections, MODEL) == [3]


def test_a_model_is_asked_for_the_newest_first_and_each_once(corrections: Corrections) -> None:
    made = [corrections.correct(new(number, 7)) for number in range(4)]

    assert numbers(corrections, "next", 2) == [4, 3]
    for each in made:
        corrections.keep_reading(each.number, "next", "7", 0.9)
        corrections.keep_reading(each.number, "next", "8", 0.9)

    assert numbers(corrections, "next") == []
    assert list(corrections.accuracy()) == [Accuracy(MODEL, 0, 3, 0, 1), Accuracy("next", 3, 3, 1, 1)]


def test_accuracy_follows_what_people_say_last(corrections: Corrections) -> None:
    corrections.correct(new(1, 7, answer="1"))
    corrections.correct(new(1, 1, answer="1"))
    assert list(corrections.accuracy()) == [Accuracy(MODEL, 1, 1, 0, 0)]

    corrections.take_back("drawing-1", BROWSER)
    assert list(corrections.accuracy()) == []


def test_a_reading_of_no_correction_is_not_kept(corrections: Corrections) -> None:
    corrections.correct(new(1, 7))
    corrections.take_back("drawing-1", BROWSER)
    for number in (1, 2, 0, -1, 10**30):
        corrections.keep_reading(number, "next", "7", 0.9)

    corrections.correct(new(1, 7))
    assert numbers(corrections, "next") == [1]


def test_corrections_since_the_last_run_began_are_counted(corrections: Corrections) -> None:
    for number in range(3):
        corrections.correct(new(number, 7))
    assert corrections.counts().since_run == 3

    run = corrections.begin_run("tuning")
    assert corrections.counts().since_run == 0
    corrections.correct(new(0, 7))
    assert corrections.counts().since_run == 0
    corrections.correct(new(0, 8))
    corrections.correct(new(10, 8))
    corrections.end_run(run, "published", "better", "", "models/new.keras@sha256:1")

    assert corrections.counts().since_run == 2
    assert corrections.counts().total == 4


def test_runs_are_told_the_newest_first_with_what_came_of_them(corrections: Corrections) -> None:
    corrections.correct(new(1, 7))
    first = corrections.begin_run("tuning")
    corrections.end_run(first, "refused", "not_better_on_corrections", "no more are right", None)
    second = corrections.begin_run("__default__")

    running, refused = corrections.runs(10)
    assert (running.number, running.pipeline, running.state, running.ended) == (second, "__default__", "running", None)
    assert (refused.number, refused.state, refused.reason) == (first, "refused", "not_better_on_corrections")
    assert (refused.detail, refused.model_id, refused.corrections) == ("no more are right", None, 1)
    assert refused.ended is not None
    assert refused.started <= refused.ended <= running.started
    assert len(corrections.runs(1)) == 1


def test_a_run_that_was_cut_off_is_noted_when_the_next_begins(corrections: Corrections) -> None:
    corrections.begin_run("tuning")
    corrections.begin_run("tuning")

    running, cut = corrections.runs(10)
    assert running.state == "running"
    assert (cut.state, cut.reason) == ("failed", "interrupted")
    assert cut.ended is not None


def test_studios_of_one_database_share_corrections_and_each_has_runs_of_its_own(address: str) -> None:
    with Corrections.open(address, studio="a") as one, Corrections.open(address, studio="b") as other:
        one.correct(new(1, 7))
        run = one.begin_run("tuning")
        assert other.counts().total == 1
        assert (one.counts().since_run, other.counts().since_run) == (0, 1)

        other.begin_run("tuning")
        assert [each.state for each in one.runs(10)] == ["running"]
        one.end_run(run, "refused", "not_better_on_corrections", "", None)
        assert [[each.state for each in studio.runs(10)] for studio in (one, other)] == [["refused"], ["running"]]
