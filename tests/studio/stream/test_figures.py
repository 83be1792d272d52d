"""Figures of the last hour: true, each second its own, and in memory that does not grow."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from models.moments import rfc3339
from studio.places import Places
from studio.stream.figures import Figures

BEGIN = 1_800_000_000.0
NOTHING = {"results": 0, "dead_letters": 0, "p50": None, "p99": None, "batch": None}


class Clock:
    """Shows what it is set to."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def figures(clock: Clock, tmp_path: Path) -> Figures:
    places = Places(tmp_path, tmp_path / "models")
    places.make()
    return Figures(places, clock)


def _moment(seconds: float) -> str:
    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def result(clock: Clock, milliseconds: float = 80.0, batch: str = "one") -> dict[str, Any]:
    """A result that arrives now."""
    return {"publish_time": _moment(clock.now - milliseconds / 1000), "predict_time": batch, "model_id": "m"}


def event(kind: str, model: str, moment: float) -> dict[str, Any]:
    """As the job tells it."""
    told = {"event": kind, "model_id": model, "model_name": model.upper(), "reason": "", "time": _moment(moment)}
    return told | {"seconds": 0.5, "worker": "host-1"}


def test_before_the_first_second_is_whole_there_is_nothing(figures: Figures) -> None:
    assert figures.second() == {"time": int(BEGIN) - 1} | NOTHING
    assert figures.history() == {
        "columns": {name: [] for name in ("time", "results", "dead_letters", "p50", "p99", "batch")},
        "swaps": [],
        "events": [],
        "dead_letters": [],
        "words": {},
    }


def test_each_second_has_what_arrived_in_it(figures: Figures, clock: Clock) -> None:
    for _ in range(3):
        figures.take_result(result(clock))
    clock.now += 1.5
    figures.take_dead_letter({"error": "truncated"})
    clock.now += 2

    columns = figures.history()["columns"]
    assert columns["time"] == [BEGIN, BEGIN + 1, BEGIN + 2]
    assert columns["results"] == [3, 0, 0]
    assert columns["dead_letters"] == [0, 1, 0]
    assert figures.second()["time"] == BEGIN + 2


def test_percentiles_are_those_of_the_last_ten_seconds(figures: Figures, clock: Clock) -> None:
    for milliseconds in range(1, 101):
        figures.take_result(result(clock, milliseconds))
    clock.now += 1
    assert (figures.second()["p50"], figures.second()["p99"]) == (50.5, 99.0)

    clock.now += 9
    assert figures.second()["p50"] == 50.5
    clock.now += 1
    assert figures.second()["p50"] is None
    assert figures.history()["columns"]["p50"] == [50.5] * 10 + [None]


def test_a_batch_is_what_one_prediction_answered(figures: Figures, clock: Clock) -> None:
    for batch in ("a", "b", "b", "b"):
        figures.take_result(result(clock, batch=batch))
    clock.now += 1
    figures.take_result(result(clock, batch="c"))
    clock.now += 1
    clock.now += 1

    assert figures.history()["columns"]["batch"] == [None, 2.0, 1.0]


def test_a_batch_on_both_sides_of_a_seconds_end_is_one(figures: Figures, clock: Clock) -> None:
    clock.now += 0.99
    figures.take_result(result(clock))
    clock.now += 0.02
    figures.take_result(result(clock))
    clock.now += 2

    assert figures.history()["columns"]["batch"] == [None, None, 2.0]


@pytest.mark.parametrize("moment", [None, "", "yesterday", 7, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_result_without_a_true_time_is_counted_all_the_same(figures: Figures, clock: Clock, moment: object) -> None:
    figures.take_result({"publish_time": moment})
    clock.now += 1

    assert figures.second()["results"] == 1
    json.dumps(figures.history(), allow_nan=False)


def test_an_hour_is_kept_and_no_more(figures: Figures, clock: Clock) -> None:
    figures.take_result(result(clock))
    figures.take_dead_letter({"error": "truncated"})
    clock.now += 3600
    assert figures.history()["columns"]["results"][0] == 1

    clock.now += 1
    columns = figures.history()["columns"]
    assert {len(column) for column in columns.values()} == {3600}
    assert sum(columns["results"]) == 0
    assert figures.history()["words"] == {}


def test_a_clock_that_jumps_loses_no_count(figures: Figures, clock: Clock) -> None:
    clock.now -= 100
    figures.take_result(result(clock))
    clock.now += 101
    assert figures.second()["results"] == 1

    clock.now += 1_000_000
    assert figures.history()["columns"]["time"][-1] == clock.now - 1


def test_a_swap_is_what_is_said_to_be_one_and_the_event_tells_so(figures: Figures, clock: Clock) -> None:
    for model, swapped in (("a", False), ("a", False), ("b", True), ("c", False)):
        figures.take_event(event("loading", model, BEGIN), False)
        assert figures.take_event(event("live", model, BEGIN + 1), swapped)["swap"] is swapped
    figures.take_event(event("retired", "a", BEGIN + 2), False)

    history = figures.history()
    assert history["swaps"] == [{"time": BEGIN + 1, "model_id": "b", "name": "B"}]
    assert [each["event"] for each in history["events"][:2]] == ["retired", "live"]
    assert history["events"][0] == event("retired", "a", BEGIN + 2) | {"swap": False}
    clock.now += 3602
    assert figures.history()["swaps"] == []


def test_only_so_many_events_and_dead_letters_are_kept(figures: Figures) -> None:
    for number in range(300):
        figures.take_event(event("rejected", f"{number}", BEGIN), False)
        figures.take_dead_letter({"error": "truncated", "detail": f"{number}"})

    history = figures.history()
    assert [each["model_id"] for each in history["events"]] == [f"{number}" for number in range(299, 99, -1)]
    assert [each["detail"] for each in history["dead_letters"]] == [f"{number}" for number in range(299, 99, -1)]
    assert history["words"] == {"truncated": 300}


def test_what_strangers_wrote_into_records_is_kept_short_and_on_one_line(figures: Figures) -> None:
    long: Any = "x" * 1_000_000
    figures.take_event({"event": "rejected", "seconds": float("nan")}, False)
    figures.take_event({"event": long, "reason": "a\nb\x1b", "seconds": "soon", "worker": {"deep": long}}, False)
    figures.take_dead_letter({"error": long, "detail": [long], "image": {"a": 1}, "stage": long})
    figures.take_result({"model_id": long, "predict_time": long})

    history = figures.history()
    assert len(json.dumps(history, allow_nan=False)) < 5000
    assert history["events"][0]["reason"] == "a b?"
    assert history["words"] == {"other": 1}


def test_two_hours_of_traffic_take_no_more_memory_than_one(figures: Figures, clock: Clock) -> None:
    def an_hour() -> int:
        for second in range(3600):
            clock.now += 1
            for number in range(3):
                figures.take_result(result(clock, batch=f"{second}/{number}"))
            figures.take_dead_letter({"error": "truncated", "detail": f"{second}"})
            figures.take_event(event("live", f"{second}", clock.now), True)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        an_hour()
        first = an_hour()
        assert an_hour() - first < 20_000
    finally:
        tracemalloc.stop()
