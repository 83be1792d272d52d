"""The demonstration calls itself good only where nothing was lost, doubled, mis-tagged or wrongly accepted."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rich.console import Console

from launch.demo.report import Judgement, Recorded, judge, print_report

LABELS = [3, 1, 4, 1]
ANSWERS = {"few": [3, 7, 7, 7], "all": [7, 1, 4, 1]}
LANDED = {"few": 1767225600.0, "all": 1767225601.0}
"""2026-01-01T00:00:00Z, and a second later."""


def result(number: int, name: str = "all", class_index: int | None = None, seconds: int = 2) -> dict[str, Any]:
    return {
        "image": f"/demo/images/{number:04d}.png",
        "model_id": f"/demo/models/{name}.h5@sha256:0123456789ab",
        "model_name": name,
        "class_index": ANSWERS[name][number] if class_index is None else class_index,
        "publish_time": "2026-01-01T00:00:02.000000Z",
        "predict_time": f"2026-01-01T00:00:{2 + seconds:02d}.000000Z",
    }


GOOD = [result(0, "few"), result(1, "few", seconds=4), result(2), result(3, seconds=1)]
EVENTS = [{"event": "live"}, {"event": "live"}, {"event": "rejected"}]


def judged(
    results: Sequence[Mapping[str, Any]],
    dead_letters: Sequence[Mapping[str, Any]] = (),
    events: Sequence[Mapping[str, Any]] = EVENTS,
) -> Judgement:
    return judge(Recorded(results, dead_letters, events, LANDED), LABELS, ANSWERS)


def test_a_run_in_which_each_image_has_its_models_own_answer_is_good() -> None:
    found = judged(GOOD)
    assert found.good
    assert (found.images_in, found.results_out) == (4, 4)
    assert (found.lost, found.twice, found.mistagged, found.dead_letters, found.rejected) == (0, 0, 0, 0, 1)


def test_each_model_has_its_own_images_accuracy_and_seconds_in_the_order_of_their_answers() -> None:
    few, better = judged(GOOD).rows
    assert (few.model_id, few.images, few.accuracy) == ("/demo/models/few.h5@sha256:0123456789ab", 2, 0.5)
    assert few.p50 == 3.0
    assert few.p99 == pytest.approx(3.98)
    assert (better.images, better.accuracy, better.p50) == (2, 1.0, 1.5)


def test_a_landing_is_timed_to_the_first_answer_of_its_model_whichever_was_written_first() -> None:
    assert judged(GOOD).landing_to_result == pytest.approx(2.0)
    assert judged([result(number, "few") for number in range(4)]).landing_to_result is None


@pytest.mark.parametrize(
    ("results", "dead_letters", "counted"),
    [
        (GOOD[:3], [], {"lost": 1}),
        ([*GOOD, GOOD[0]], [], {"twice": 1}),
        (GOOD, [{"image": "/demo/images/0003.png"}], {"twice": 1, "dead_letters": 1}),
        (GOOD[:3], [{"image": "/demo/images/0003.png"}], {"lost": 0, "dead_letters": 1}),
        ([*GOOD[:3], result(3, class_index=7)], [], {"mistagged": 1}),
        ([*GOOD[:3], result(3) | {"model_name": "another"}], [], {"mistagged": 1}),
    ],
    ids=["lost", "twice", "result and dead letter", "dead letter", "another model's answer", "an unknown model"],
)
def test_what_went_wrong_is_counted_and_not_good(
    results: list[dict[str, Any]], dead_letters: list[dict[str, Any]], counted: dict[str, int]
) -> None:
    found = judged(results, dead_letters)
    assert not found.good
    assert {name: getattr(found, name) for name in counted} == counted


@pytest.mark.parametrize("rejections", [0, 2])
def test_the_corrupt_file_and_no_other_must_be_rejected(rejections: int) -> None:
    found = judged(GOOD, events=[{"event": "rejected"}] * rejections)
    assert found.rejected == rejections
    assert not found.good


def test_the_second_model_must_answer_and_be_the_better_one() -> None:
    found = judged(GOOD)
    few, better = found.rows
    assert not dataclasses.replace(found, rows=(few,)).good
    assert not dataclasses.replace(found, rows=(better, few)).good
    assert not dataclasses.replace(found, rows=(few, dataclasses.replace(better, accuracy=few.accuracy))).good


def shown(judgement: Judgement) -> str:
    written = io.StringIO()
    print_report(judgement, Console(file=written, width=120))
    return written.getvalue()


def test_the_report_names_each_model_without_its_folder_and_every_number() -> None:
    text = shown(judged(GOOD))
    assert "few.h5@sha256:0123456789ab" in text and "/demo/models" not in text
    for told in ("50.0%", "100.0%", "3.00 s", "3.98 s", "2.0 s"):
        assert told in text
    assert text.rstrip().endswith("good") and "NOT" not in text


def test_that_the_better_model_never_answered_is_said_and_not_good() -> None:
    text = shown(judged([result(number, "few") for number in range(4)]))
    assert "never" in text
    assert text.rstrip().endswith("NOT good")
