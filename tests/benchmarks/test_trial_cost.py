"""What a trial costs is measured on the job's own steps, with real trials. No number of seconds is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.trials.stream import Moments, TrialStream
from benchmarks.trials.throughput import CANARY, NONE, SHADOW, WAYS, TrialThroughput, measure_trial_throughput
from benchmarks.ways import Timing
from tests.model_files import tiny_classifier
from tests.sample_images import encoded, small

IMAGES = 40


def test_each_way_is_run_in_each_round_and_the_new_model_is_asked_its_share(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(encoded(small(), "PNG"))
    models = tiny_classifier(tmp_path / "live.onnx"), tiny_classifier(tmp_path / "new.onnx", favours=2)
    told: list[str] = []
    measured = measure_trial_throughput("tiny", models, [str(image)], IMAGES, 2, tmp_path / "run", told.append)
    assert measured.tried == {NONE.name: 0, CANARY.name: 2, SHADOW.name: 4}
    assert {name: len(timings) for name, timings in measured.timings.items()} == {way.name: 2 for way in WAYS}
    assert all(timing.images == IMAGES for timings in measured.timings.values() for timing in timings)
    assert len(told) == 2


def timings(*rates: float) -> list[Timing]:
    return [Timing(100, 100 / rate, 50 / rate, 0) for rate in rates]


def test_a_cost_is_held_against_the_same_round_and_told_with_its_spread() -> None:
    measured = TrialThroughput(
        "tiny",
        {NONE.name: timings(100, 50, 10), CANARY.name: timings(99, 49, 9.8), SHADOW.name: timings(90, 45, 9)},
        {NONE.name: 0, CANARY.name: 5, SHADOW.name: 10},
    )
    cost = measured.cost(CANARY)
    assert cost.median == pytest.approx(0.02)
    assert cost.low == pytest.approx(0.01)
    assert cost.high == pytest.approx(0.02)
    assert measured.cost(SHADOW).median == pytest.approx(0.1)
    assert measured.cpu_ratio(SHADOW) == pytest.approx(1 / 0.9)
    assert measured.rate(NONE) == 50


def test_latency_is_held_against_the_quiet_before_the_same_trial() -> None:
    stream = TrialStream(
        "canary:5%/1", 50.0, [Moments(0.2, 0.21, 0.2), Moments(0.4, 0.44, 0.2), Moments(0.1, 0.1, 0.1)]
    )
    assert stream.ratio("beginning") == pytest.approx(1.05)
    assert stream.ratios("ending") == pytest.approx([1.0, 0.5, 1.0])
