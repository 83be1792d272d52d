"""A stream runs, and a model is live, once the job of now says so or answers."""

from __future__ import annotations

from typing import Any

import pytest

from models.moments import rfc3339
from studio.stream.standing import Standing
from studio.stream.state import LiveModel

LONG_AGO = "2000-01-01T00:00:00.000000Z"


class Changes:
    """Counts them."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self) -> None:
        self.seen += 1


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def standing(changes: Changes) -> Standing:
    standing = Standing(changes)
    standing.job_began(7)
    return standing


def live(model: str, pid: int = 7, kind: str = "live") -> dict[str, Any]:
    told = {"event": kind, "model_id": model, "model_name": model.upper(), "time": LONG_AGO}
    return told | {"worker": f"my-host-{pid}"}


def result(model: str, moment: str | None = None) -> dict[str, Any]:
    return {"model_id": model, "model_name": model.upper(), "predict_time": moment or rfc3339()}


def test_it_runs_once_its_model_is_live(standing: Standing, changes: Changes) -> None:
    for kind in ("accepted", "loading", "retired"):
        standing.take_event(live("a", kind=kind))
    assert (standing.state.word, changes.seen) == ("starting", 0)

    standing.take_event(live("a"))

    assert standing.state.word == "running"
    assert standing.state.live == LiveModel("a", "A", LONG_AGO)
    assert (standing.state.swaps, changes.seen) == (0, 1)


def test_what_a_job_of_before_still_tells_changes_no_word(standing: Standing) -> None:
    for pid in (1, 17, 77):
        standing.take_event(live("a", pid))
    standing.take_result(result("a", LONG_AGO))
    assert standing.state.word == "starting"

    standing.job_ended()
    standing.take_event(live("a"))
    standing.take_result(result("a"))
    assert (standing.state.word, standing.state.results) == ("starting", 2)


def test_it_runs_once_it_has_answered(standing: Standing) -> None:
    standing.take_result(result("a"))

    assert standing.state.word == "running"
    assert standing.state.live is not None
    assert standing.state.live.name == "A"


def test_a_model_that_takes_over_is_a_swap_and_the_same_in_another_job_is_none(standing: Standing) -> None:
    assert [standing.take_event(live(model)) for model in ("a", "a", "b")] == [False, False, True]
    assert standing.state.swaps == 1

    standing.job_ended()
    standing.set_word("restarting", "why")
    standing.job_began(8)
    assert not standing.take_event(live("b", 8))

    assert (standing.state.word, standing.state.detail, standing.state.swaps) == ("running", "", 1)


def test_a_swap_that_an_answer_tells_of_first_is_counted_once_and_told_with_its_event(standing: Standing) -> None:
    standing.take_event(live("a"))
    standing.job_ended()
    standing.set_word("restarting", "why")
    standing.job_began(8)
    standing.take_result(result("b"))
    assert standing.state.swaps == 1

    assert [standing.take_event(live("b", pid)) for pid in (7, 8, 8)] == [False, True, False]
    assert standing.state.swaps == 1


def test_an_answer_of_the_model_before_that_comes_after_a_swap_turns_nothing_back(standing: Standing) -> None:
    standing.take_event(live("a"))
    standing.take_event(live("b"))
    standing.take_result(result("a"))

    assert standing.state.live is not None
    assert (standing.state.live.model_id, standing.state.swaps) == ("b", 1)


def test_what_is_awaited_is_said_until_nothing_is(standing: Standing, changes: Changes) -> None:
    standing.set_detail("waiting for a model")
    standing.set_detail("waiting for a model")
    assert (standing.state.detail, changes.seen) == ("waiting for a model", 1)

    standing.take_event(live("a"))
    standing.set_detail("too late")

    assert standing.state.detail == ""


def test_dead_letters_and_results_are_counted(standing: Standing) -> None:
    standing.take_dead_letter()
    standing.take_result({})

    assert (standing.state.dead_letters, standing.state.results) == (1, 1)


def test_while_models_are_tried_who_answers_is_not_taken_to_be_live(changes: Changes) -> None:
    standing = Standing(changes, believes_answers=False)
    standing.job_began(7)
    standing.take_result(result("tried"))
    assert (standing.state.word, standing.state.live) == ("starting", None)

    standing.take_event(live("old"))
    standing.take_result(result("tried"))

    assert (standing.state.word, standing.state.live, standing.state.swaps) == (
        "running",
        LiveModel("old", "OLD", LONG_AGO),
        0,
    )
