"""The parts of the bench run, on four images. Nothing here looks at how long anything took."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from benchmarks.arms import Arm
from benchmarks.images import ImageKind, in_turn, make_images
from benchmarks.picture import draw
from benchmarks.report import Measured, print_tables, write_json
from benchmarks.stream_run import Result
from benchmarks.streaming import Span, StreamReport, Swap, is_bounded
from benchmarks.targets import Target
from benchmarks.throughput import Throughput, ThroughputReport
from benchmarks.ways import WAYS, Setup, Timing


@pytest.fixture(scope="module")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    path = tmp_path_factory.mktemp("model") / "tiny.h5"
    keras.Sequential(layers).save(path)
    return path


@pytest.fixture(scope="module")
def four_images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (28, 28), np.uint8)
        Image.fromarray(pixels).save(path)
    return [str(path) for path in paths]


def test_the_three_ways_classify_the_same_images_alike(
    digits_model: Path, four_images: list[str], tmp_path: Path
) -> None:
    firsts = {}
    for way in WAYS:
        arm = Arm(Setup(way, str(digits_model), str(tmp_path / "cache"), 4), tmp_path / f"{way}.log")
        try:
            timing = arm.classify(four_images)
            assert arm.peak_mebibytes() > 0
        finally:
            arm.close()
        assert timing.images == 4
        firsts[way] = timing.first
    assert len(set(firsts.values())) == 1, firsts


def test_photographs_have_their_size_and_are_all_different(tmp_path: Path) -> None:
    paths = make_images(ImageKind("small", 100, 75, 4, "mobilenet"), tmp_path)
    assert [Image.open(path).size for path in paths] == [(100, 75)] * 4
    assert len({Path(path).read_bytes() for path in paths}) == 4
    assert make_images(ImageKind("small", 100, 75, 4, "mobilenet"), tmp_path) == paths
    assert in_turn(paths, 6) == [*paths, *paths[:2]]


def test_a_stream_whose_latency_grows_is_not_bounded() -> None:
    steady = [Result(float(second), second + 0.5, "a", 0) for second in range(30)]
    growing = [Result(float(second), 2.0 * second, "a", 0) for second in range(30)]
    assert is_bounded(steady)
    assert not is_bounded(growing)


def test_the_report_says_which_targets_are_met(tmp_path: Path) -> None:
    measured = _measured()
    met = {target.measure: target.met for target in measured.targets()}
    assert met["throughput, MobileNetV2, 1280x960, ours ÷ stock"] is True
    assert met["throughput, MobileNetV2, 1280x960, ours ÷ bare loop"] is False
    assert met["highest sustained rate, ours ÷ stock"] is True
    write_json(measured, tmp_path / "bench.json")
    written = json.loads((tmp_path / "bench.json").read_text())
    assert len(written["targets"]) == len(met)
    shown = io.StringIO()
    print_tables(measured, Console(file=shown, width=120))
    assert "ours ÷ stock" in shown.getvalue()


def test_the_picture_is_drawn_as_png_and_svg(tmp_path: Path) -> None:
    png, svg = draw(_measured().streams["1280x960"], tmp_path / "swap")
    assert Image.open(png).width > 500
    assert svg.read_text().lstrip().startswith("<?xml")


def test_a_target_is_met_on_its_bound() -> None:
    assert Target("", 1.2, 1.2, "≤").met
    assert Target("", 5.0, 5.0, "≥").met
    assert not Target("", 4.9, 5.0, "≥").met


def _measured() -> Measured:
    timings = {way: [Timing(100, seconds, seconds, 7)] for way, seconds in zip(WAYS, (2.0, 20.0, 1.0), strict=True)}
    peaks = {"MobileNetV2": {"ours": 300.0, "stock": 900.0, "bare": 200.0, "ours-tensorflow": 800.0}}
    report = ThroughputReport([Throughput("MobileNetV2", "1280x960", timings)], peaks)
    streams = {"1280x960": {way: _stream(way, rate) for way, rate in (("ours", 80.0), ("stock", 5.0))}}
    return Measured(report, streams, None, 1.0, quick=True)


def _stream(way: str, rate: float) -> StreamReport:
    span = Span(50, 0.2, 0.4, 0.3)
    timeline = [(second / 2, 0.3, "old" if second < 0 else "new") for second in range(-10, 10)]
    return StreamReport(way, "1280x960", rate, rate, Swap(rate / 2, span, span, span, 3.0, timeline), (9.0, 1.5))
