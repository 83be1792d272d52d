"""The one place that knows how a runner must be given side inputs."""

from __future__ import annotations

import time
from enum import Enum
from typing import Any

import apache_beam as beam
from apache_beam.transforms import trigger, window

WINDOW_SECONDS = 0.25
"""On the DirectRunner images wait for the end of their window: on average half of this."""


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
    """Puts arriving elements into the windows in which the live model will be stated; element types pass through."""

    def __init__(self, mode: SideInputMode) -> None:
        super().__init__()
        self._mode = mode

    def expand(self, elements: beam.PCollection) -> beam.PCollection:
        if self._mode is SideInputMode.TRIGGERED:
            return elements
        stamp = beam.Map(_with_arrival).with_output_types(elements.element_type)
        return elements | "StampWithArrival" >> stamp | beam.WindowInto(window.FixedWindows(WINDOW_SECONDS))


def _with_arrival(element: Any) -> window.TimestampedValue:
    return window.TimestampedValue(element, time.time())


def latest_pane() -> beam.WindowInto:
    """One global window in which each new element replaces the one before, for side inputs that change."""
    return beam.WindowInto(
        window.GlobalWindows(),
        trigger=trigger.Repeatedly(trigger.AfterCount(1)),
        accumulation_mode=trigger.AccumulationMode.DISCARDING,
    )
