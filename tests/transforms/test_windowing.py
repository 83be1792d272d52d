from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms import window

from transforms import windowing
from transforms.windowing import SideInputMode, WindowForModels


@pytest.mark.parametrize(
    ("runner", "mode"),
    [
        (None, SideInputMode.WINDOWED),
        ("DirectRunner", SideInputMode.WINDOWED),
        ("apache_beam.runners.direct.BundleBasedDirectRunner", SideInputMode.WINDOWED),
        ("DataflowRunner", SideInputMode.TRIGGERED),
        ("PrismRunner", SideInputMode.TRIGGERED),
        ("FlinkRunner", SideInputMode.TRIGGERED),
    ],
)
def test_a_runner_is_known_by_its_name(runner: str | None, mode: SideInputMode) -> None:
    assert SideInputMode.of_runner(runner) is mode


def test_elements_pass_unchanged_into_short_windows_of_their_arrival() -> None:
    with TestPipeline() as pipeline:
        arrived = (
            pipeline
            | beam.Create(["a", "b", "c"])
            | beam.Map(lambda element: window.TimestampedValue(element, 5))
            | WindowForModels(SideInputMode.WINDOWED)
        )
        assert_that(arrived, equal_to(["a", "b", "c"]))
        lengths = arrived | beam.Map(lambda _, its=beam.DoFn.WindowParam: float(its.end - its.start)) | beam.Distinct()
        assert_that(lengths, equal_to([windowing.WINDOW_SECONDS]), label="lengths")


def test_where_side_inputs_are_triggered_elements_are_left_alone() -> None:
    with TestPipeline() as pipeline:
        elements = pipeline | beam.Create(["a"])
        assert elements | WindowForModels(SideInputMode.TRIGGERED) is elements


def test_a_clock_that_is_set_back_makes_no_element_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 1000.0, "monotonic": 50.0}
    monkeypatch.setattr(windowing.time, "time", lambda: now["wall"])
    monkeypatch.setattr(windowing.time, "monotonic", lambda: now["monotonic"])
    clock = windowing._ArrivalClock()

    assert clock() == 1000.0
    now["wall"], now["monotonic"] = 400.0, 51.0
    assert clock() == 1001.0
    now["wall"], now["monotonic"] = 2000.0, 52.0
    assert clock() == 2000.0
