"""The one place that knows how a runner must be given side inputs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from enum import Enum
from typing import Any

import apache_beam as beam
from apache_beam.transforms import trigger, window

WINDOW_SECONDS = 0.25
"""On the DirectRunner images wait for the end of their window: on average half of this."""

_LATENESS_SECONDS = 2


class SideInputMode(Enum):
    """How the live model reaches the images.

    `TRIGGERED`: one global window, a new pane whenever the model is stated; nothing waits. The way of runners that
    fire triggered side inputs: Dataflow, Prism, Flink.
    `WINDOWED`: short fixed windows, each with its own statement. The DirectRunner's bundle-based executor, which alone
    of the local ones reads Pub/Sub, makes an element wait for the end of its side input's window.
    """

    TRIGGERED = "triggered"
    WINDOWED = "windowed"

    @classmethod
    def of_runner(cls, runner: str | None) -> SideInputMode:
        """The mode of a runner, by its name as in `--runner`; none is Beam's default, the DirectRunner."""
        return cls.WINDOWED if runner is None or "direct" in runner.lower() else cls.TRIGGERED


class WindowForModels(beam.PTransform):
    """Puts arriving elements into the windows in which the live model will be stated; element types pass through.

    On the DirectRunner it also makes one bundle of each window. That runner reads Pub/Sub ten messages at a time and
    spends a millisecond on each step of each bundle, so a graph of twenty steps would leave it no time for images.
    Images wait for the end of their window in any case.
    """

    def __init__(self, mode: SideInputMode) -> None:
        super().__init__()
        self._mode = mode

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        if self._mode is SideInputMode.TRIGGERED:
            return elements
        return (
            elements
            | "StampWithArrival"
            >> beam.Map(_with_arrival).with_output_types(beam.typehints.Tuple[str, elements.element_type])
            | "ShortWindows" >> beam.WindowInto(window.FixedWindows(WINDOW_SECONDS), allowed_lateness=_LATENESS_SECONDS)
            | "OneBundleEach" >> beam.GroupByKey()
            | "Ungroup" >> beam.FlatMap(_values).with_output_types(elements.element_type)
        )


class _ArrivalClock:
    """Wall-clock seconds that never go back.

    The runner's watermark is the latest wall-clock time that it has seen. An element stamped before it would be late,
    and lost; so when the clock is set back, this one runs on from where it was.
    """

    def __init__(self) -> None:
        self._ahead = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            monotonic = time.monotonic()
            self._ahead = max(self._ahead, time.time() - monotonic)
            return monotonic + self._ahead


_arrival_clock = _ArrivalClock()


def _with_arrival(element: Any) -> window.TimestampedValue:
    return window.TimestampedValue(("", element), _arrival_clock())


def _values(grouped: tuple[str, Iterable[Any]]) -> Iterable[Any]:
    return grouped[1]


def latest_pane() -> beam.WindowInto:
    """One global window in which each new element replaces the one before, for side inputs that change."""
    return beam.WindowInto(
        window.GlobalWindows(),
        trigger=trigger.Repeatedly(trigger.AfterCount(1)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
    )
