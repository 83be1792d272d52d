"""What the demonstration with devices counts as good."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from launch.demo.device_report import Recorded, Traffic, judge, print_report

LABELS = [3, 1, 4, 1]
WORSE, BETTER = "m/few.h5@sha256:aaaaaaaaaaaa", "m/all.h5@sha256:bbbbbbbbbbbb"


def result(number: int, answer: int, model: str) -> dict[str, Any]:
    return {
        "image": f"/i/{number:04d}.png",
        "class_index": answer,
        "model_id": model,
        "predict_time": f"2026-01-01T10:00:0{number}Z",
    }


def recorded(results: Sequence[dict[str, Any]]) -> Recorded:
    return Recorded({"camera-1": results}, {"camera-1": "no numbers"}, "halted", Traffic(10, 8, 700))


WHOLE = [result(0, 0, WORSE), result(1, 0, WORSE), result(2, 4, BETTER), result(3, 1, BETTER)]


def test_it_is_good_where_each_device_got_better_and_nothing_is_lost():
    judgement = judge(recorded(WHOLE), LABELS)
    assert judgement.good
    assert [(row.model, row.images, row.accuracy) for row in judgement.rows] == [
        ("few.h5@aaaaaa", 2, 0.0),
        ("all.h5@bbbbbb", 2, 1.0),
    ]
    assert (judgement.rows[0].began, judgement.rows[0].ended) == ("10:00:00", "10:00:01")


def test_it_is_not_good_where_an_image_is_lost():
    judgement = judge(recorded(WHOLE[:-1]), LABELS)
    assert (judgement.lost, judgement.good) == (1, False)


def test_it_is_not_good_where_an_image_became_a_dead_letter():
    letter = {"image": "/i/0003.png", "error": "not_an_image"}
    judgement = judge(recorded([*WHOLE[:-1], letter]), LABELS)
    assert (judgement.lost, judgement.dead_letters, judgement.good) == (0, 1, False)


def test_it_is_not_good_where_the_second_model_is_no_better():
    assert not judge(recorded([*WHOLE[:2], result(2, 0, BETTER), result(3, 0, BETTER)]), LABELS).good


def test_it_is_not_good_where_no_device_gave_the_broken_component_up():
    assert not judge(replace(recorded(WHOLE), refused={}), LABELS).good


def test_the_report_tells_who_ran_what_and_what_it_cost():
    text = io.StringIO()
    print_report(judge(recorded(WHOLE), LABELS), Console(file=text, width=100))
    for told in ("camera-1", "few.h5@aaaaaa", "100.0%", "10; 8", "700", "no numbers"):
        assert told in text.getvalue()
