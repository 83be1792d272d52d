"""Which windows elements come in, for each kind of runner, and what gathering makes of them."""

from __future__ import annotations

import time

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.test_stream import TestStream
from apache_beam.testing.util import assert_that, equal_to

from transforms.windowing import WINDOW_SECONDS, Gather, SideInputMode, WindowClock, WindowForModels


@pytest.mark.parametrize(
    ("runner", "mode"),
    [
        (None, SideInputMode.WINDOWED),
        ("DirectRunner", SideInputMode.WINDOWED),
        ("apache_beam.runners.direct.BundleBasedDirectRunner", SideInputMode.WINDOWED),
        ("DataflowRunner", SideInputMode.TRIGGERED),
        ("PrismRunner", SideInputMode.WINDOWED),
        ("FlinkRunner", SideInputMode.TRIGGERED),
    ],
)
def test_a_runner_is_known_by_its_name(runner: str | None, mode: SideInputMode) -> None:
    assert SideInputMode.of_runner(runner) is mode


def test_elements_pass_unchanged_into_windows_with_exactly_one_moment_each() -> None:
    with TestPipeline() as pipeline:
        arrivals = pipeline | beam.Create(["a", "b", "c"]) | WindowForModels(SideInputMode.WINDOWED)
        assert_that(arrivals.elements, equal_to(["a", "b", "c"]))
        together = arrivals.elements | beam.Map(
            lambda one, all_: one in all_, beam.pvalue.AsSingleton(arrivals.moments)
        )
        assert_that(together, equal_to([True] * 3), label="each sees its own moment")


def test_what_is_gathered_passes_unchanged() -> None:
    with TestPipeline() as pipeline:
        assert_that(pipeline | beam.Create(["a", "b", "c"]) | Gather(), equal_to(["a", "b", "c"]))


def test_what_was_let_go_does_not_come_again_with_what_comes_later() -> None:
    stream = TestStream().add_elements(["a", "b"]).advance_watermark_to(int(time.time()) + 60)
    later = stream.add_elements(["c"]).advance_watermark_to_infinity()
    with TestPipeline(options=PipelineOptions(["--streaming"])) as pipeline:
        assert_that(pipeline | later | Gather(), equal_to(["a", "b", "c"]))


def test_where_side_inputs_are_triggered_elements_are_left_alone() -> None:
    with TestPipeline() as pipeline:
        elements = pipeline | beam.Create(["a"])
        assert_that((elements | WindowForModels(SideInputMode.TRIGGERED)).elements, equal_to(["a"]))


def test_no_two_moments_share_a_window_even_when_the_clock_is_set_back() -> None:
    wall = iter([1000.0, 1000.0, 400.0, 2000.0])
    clock = WindowClock(lambda: next(wall))

    moments = [clock() for _ in range(4)]

    assert len({int(moment / WINDOW_SECONDS) for moment in moments}) == 4
    assert moments == sorted(moments)
