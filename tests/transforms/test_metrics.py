from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from models.errors import ImageFault
from models.events import ModelEvent
from transforms import metrics


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has just begun."""
    monkeypatch.setattr(metrics, "_told_apart", set())
    monkeypatch.setattr(metrics, "_live_model", metrics._LiveModel())
    monkeypatch.setattr(metrics, "_tally", Counter())
    yield


def live(model_id: str, age: float = 0.0) -> ModelEvent:
    moment = (datetime.now(UTC) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return ModelEvent("live", model_id, "name", seconds=0.5, time=moment)


def test_each_dead_letter_is_counted_by_stage_and_error() -> None:
    metrics.count_dead_letter("read", ImageFault.NOT_FOUND)

    assert metrics.tally() == {"dead_letters_read_not_found": 1}


def test_what_happens_to_models_is_counted() -> None:
    for event in (
        ModelEvent("accepted", "a@sha256:1", "a"),
        ModelEvent("rejected", "b@sha256:2", "b", "truncated: the file ends early"),
        live("a@sha256:1"),
        live("c@sha256:3"),
        live("c@sha256:3"),
        ModelEvent("retired", "a@sha256:1", "a"),
    ):
        metrics.count_model_event(event)

    assert metrics.tally() == {
        metrics.MODEL_EVENTS: 6,
        metrics.CANDIDATES_VETTED: 2,
        "models_rejected_truncated": 1,
        metrics.MODELS_LIVE: 3,
        metrics.MODEL_SWAPS: 1,
        metrics.MODELS_RETIRED: 1,
    }


def test_results_are_counted_for_the_model_that_answered_by_its_name_and_bytes() -> None:
    metrics.count_result("gs://bucket/models/few.h5@sha256:0123456789ab")

    assert metrics.tally() == {metrics.RESULTS_OUT: 1, "results_by_model_few.h5@sha256:0123456789ab": 1}


def test_counters_stay_bounded_however_many_models_answer() -> None:
    for number in range(3 * metrics.MODELS_TOLD_APART):
        metrics.count_result(f"/models/m.h5@sha256:{number:012x}")
    metrics.count_result(f"/models/m.h5@sha256:{0:012x}")

    counts = metrics.tally()
    by_model = {name: number for name, number in counts.items() if name.startswith(metrics.BY_MODEL_PREFIX)}
    assert len(by_model) == metrics.MODELS_TOLD_APART + 1
    assert by_model[metrics.OTHER_MODELS] == 2 * metrics.MODELS_TOLD_APART
    assert sum(by_model.values()) == counts[metrics.RESULTS_OUT]
    assert by_model[f"results_by_model_m.h5@sha256:{0:012x}"] == 2


def test_the_age_of_the_live_model_is_told_with_its_results_and_not_too_often() -> None:
    metrics.count_model_event(live("a@sha256:1", age=100))

    assert metrics._live_model.age_to_tell("a@sha256:1") == pytest.approx(100, abs=60)
    assert metrics._live_model.age_to_tell("a@sha256:1") is None


def test_a_model_that_answers_its_last_batch_is_not_taken_for_the_live_one() -> None:
    metrics.count_model_event(live("a@sha256:1", age=100))
    metrics.count_model_event(live("b@sha256:2"))

    assert metrics._live_model.age_to_tell("a@sha256:1") is None
