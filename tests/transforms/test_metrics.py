"""What a run counts, beside what Beam counts, and under which names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models.errors import ImageFault
from models.events import ModelEvent
from transforms import metrics
from transforms.metrics import Meter


@pytest.fixture
def meter() -> Meter:
    return Meter()


def live(model_id: str, age: float = 0.0) -> ModelEvent:
    moment = (datetime.now(UTC) - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return ModelEvent("live", model_id, "name", seconds=0.5, time=moment)


def test_each_dead_letter_is_counted_by_stage_and_error(meter: Meter) -> None:
    meter.count_dead_letter("read", ImageFault.NOT_FOUND)

    assert meter.tally() == {"dead_letters_read_not_found": 1}


def test_what_happens_to_models_is_counted(meter: Meter) -> None:
    for event in (
        ModelEvent("accepted", "a@sha256:1", "a"),
        ModelEvent("rejected", "b@sha256:2", "b", "truncated: the file ends early"),
        live("a@sha256:1"),
        live("c@sha256:3"),
        live("c@sha256:3"),
        ModelEvent("loading", "d@sha256:4", "d"),
        ModelEvent("failed", "d@sha256:4", "d", "the disk is full"),
        ModelEvent("quarantined", "c@sha256:3", "c", "model_crashed: it ended; a@sha256:1 takes over"),
        ModelEvent("retired", "a@sha256:1", "a"),
    ):
        meter.count_model_event(event)

    assert meter.tally() == {
        metrics.MODEL_EVENTS: 9,
        metrics.CANDIDATES_VETTED: 2,
        "models_rejected_truncated": 1,
        metrics.MODELS_LIVE: 3,
        metrics.MODEL_SWAPS: 1,
        metrics.MODEL_LOADS_FAILED: 1,
        metrics.MODELS_QUARANTINED: 1,
        metrics.MODELS_RETIRED: 1,
    }


def test_results_are_counted_for_the_model_that_answered_by_its_name_and_bytes(meter: Meter) -> None:
    meter.count_result("gs://bucket/models/few.h5@sha256:0123456789ab")

    assert meter.tally() == {metrics.RESULTS_OUT: 1, "results_by_model_few.h5@sha256:0123456789ab": 1}


def test_counters_stay_bounded_however_many_models_answer(meter: Meter) -> None:
    for number in range(3 * metrics.MODELS_TOLD_APART):
        meter.count_result(f"/models/m.h5@sha256:{number:012x}")
    meter.count_result(f"/models/m.h5@sha256:{0:012x}")

    counts = meter.tally()
    by_model = {name: number for name, number in counts.items() if name.startswith(metrics.BY_MODEL_PREFIX)}
    assert len(by_model) == metrics.MODELS_TOLD_APART + 1
    assert by_model[metrics.OTHER_MODELS] == 2 * metrics.MODELS_TOLD_APART
    assert sum(by_model.values()) == counts[metrics.RESULTS_OUT]
    assert by_model[f"results_by_model_m.h5@sha256:{0:012x}"] == 2


def test_the_age_of_the_live_model_is_told_with_its_results_and_not_too_often(meter: Meter) -> None:
    meter.count_model_event(live("a@sha256:1", age=100))

    assert meter.live_model.age_to_tell("a@sha256:1") == pytest.approx(100, abs=60)
    assert meter.live_model.age_to_tell("a@sha256:1") is None


def test_a_model_that_answers_its_last_batch_is_not_taken_for_the_live_one(meter: Meter) -> None:
    meter.count_model_event(live("a@sha256:1", age=100))
    meter.count_model_event(live("b@sha256:2"))

    assert meter.live_model.age_to_tell("a@sha256:1") is None
