"""The demonstration of trials calls itself good only where each model met its end, and no image was harmed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from rich.console import Console

from launch.demo.report import Recorded
from launch.demo.trial import EXPECTED
from launch.demo.trial_verdicts import Verdicts, judge_trials, print_verdicts

LABELS = [3, 1, 3, 1]
ANSWERS = {"some": [3, 7], "few": [7, 7], "all": [3, 1]}
"""Of two digits, that land round and round."""
ENDS = [("few", "trial_rolled_back"), ("all", "trial_promoted")]


def result(number: int, name: str) -> dict[str, Any]:
    return {
        "image": f"/demo/images/{number:05d}.png",
        "model_id": f"/demo/models/{name}.h5@sha256:0123456789ab",
        "model_name": name,
        "class_index": ANSWERS[name][number % 2],
        "publish_time": "2026-01-01T00:00:02.000000Z",
        "predict_time": "2026-01-01T00:00:03.000000Z",
    }


GOOD = [result(0, "some"), result(1, "some"), result(2, "all"), result(3, "all")]


def judged(
    ends: Sequence[tuple[str, str]] = ENDS, results: Sequence[Mapping[str, Any]] = GOOD, more: Sequence[str] = ()
) -> Verdicts:
    events = [{"event": event, "model_name": name, "reason": "so it is; 3 of 4"} for name, event in ends]
    events += [{"event": kind, "model_name": "few", "reason": ""} for kind in more]
    return judge_trials(Recorded(results, [], events, {"all": 0.0}), LABELS, ANSWERS, EXPECTED)


def test_it_is_good_where_the_worse_model_went_back_and_the_better_one_stays() -> None:
    assert judged(more=["trial_began", "accepted", "live"]).good


@pytest.mark.parametrize(
    "ends",
    [
        [],
        [("few", "trial_rolled_back")],
        [("few", "trial_promoted"), ("all", "trial_promoted")],
        [("few", "trial_rolled_back"), ("all", "trial_rolled_back")],
        [*ENDS, ("few", "trial_rolled_back")],
    ],
)
def test_a_wrong_verdict_a_missing_one_or_a_second_one_is_not_good(ends: list[tuple[str, str]]) -> None:
    assert not judged(ends).good


def test_a_lost_a_doubled_and_a_mistagged_image_are_not_good() -> None:
    assert not judged(results=GOOD[:-1]).good
    assert not judged(results=[*GOOD, GOOD[0]]).good
    assert not judged(results=[*GOOD[:-1], result(3, "all") | {"model_name": "few", "class_index": 1}]).good


def test_the_report_tells_each_verdict_and_why() -> None:
    text = io.StringIO()
    print_verdicts(judged(), Console(file=text, width=100))
    for told in ("rolled back", "promoted", "so it is", "3 of 4", "50.0%", "100.0%", "all.h5@sha256:0123456789ab"):
        assert told in text.getvalue()
    assert text.getvalue().rstrip().endswith("good") and "NOT" not in text.getvalue()
