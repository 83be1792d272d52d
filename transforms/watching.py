"""Watching a pattern of model files: which model should be live, as a side input for RunInference."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.ml.inference.base import ModelMetadata
from apache_beam.transforms.combiners import Latest
from apache_beam.transforms.periodicsequence import PeriodicImpulse
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from models.events import ModelEvent
from models.reference import Statement
from models.serving import ServingConfig
from transforms.model_events import TellsModelEvents
from transforms.outputs import MODEL_EVENTS
from transforms.process import THE_JOB, JobRun
from transforms.windowing import SideInputMode, WatermarkAlone, latest_pane

_LONGEST_LOOK_SECONDS = 10.0


class WatchedModels(NamedTuple):
    """What watching yields.

    Attributes:
        metadata: `ModelMetadata` of the model that should be live, one at a time, fit for `AsSingleton`. Its
            `model_id` is a `models.reference.Statement`.
        events: `ModelEvent`s of the process that watches.
    """

    metadata: beam.PCollection
    events: beam.PCollection


class WatchFilePattern(beam.PTransform):
    """States the newest valid file of a pattern, again and again.

    Takes a pattern and an interval as Beam's own `WatchFilePattern` does, and is right where that one is not: files are
    compared over the whole pattern, those older than the job count, overwriting and deleting count, several files in
    one poll are fine, and a pattern that matches nothing yet is waited for. No poll waits for a model to be vetted.

    Args:
        file_pattern: glob of model files, anywhere Beam's FileSystems read.
        interval: seconds between two looks at the pattern.
        config: how candidates are vetted and served; its pattern and interval are replaced by those given here.
        mode: how the runner must be given side inputs.
        run: whose models they are.

    Applied to the moments of the `Arrivals` that will be predicted: on the DirectRunner they are also its clock.
    """

    def __init__(
        self,
        file_pattern: str,
        interval: float = 30.0,
        *,
        config: ServingConfig | None = None,
        mode: SideInputMode = SideInputMode.TRIGGERED,
        run: JobRun = THE_JOB,
    ) -> None:
        super().__init__()
        base = config or ServingConfig(file_pattern)
        self._config = replace(base, model_pattern=file_pattern, poll_seconds=interval)
        self._interval = interval
        self._mode = mode
        self._run = run

    def expand(self, moments: beam.PCollection) -> WatchedModels:
        if self._mode is SideInputMode.WINDOWED:
            return self._on_the_direct_runner(moments)
        stating = beam.ParDo(_StateNewest(self._run, self._config))
        stated = (
            moments.pipeline
            | "EveryInterval" >> PeriodicImpulse(Timestamp.now(), fire_interval=self._interval)
            | "StateNewest" >> stating.with_outputs(MODEL_EVENTS, main="metadata")
        )
        metadata = stated.metadata | "LatestPane" >> latest_pane() | "Latest" >> Latest.Globally().without_defaults()
        return WatchedModels(metadata, stated[MODEL_EVENTS])

    def _on_the_direct_runner(self, moments: beam.PCollection) -> WatchedModels:
        """States the model for each window that has elements, and looks after the models while there are none.

        Each window with elements has exactly one moment, and each moment one statement. The idle clock is an event-time
        timer on the watermark of the elements' source, since the bundle-based runner runs no
        splittable DoFn.
        """
        metadata = moments | "StateForWindow" >> beam.ParDo(StateForWindow(self._run, self._config)).with_output_types(
            ModelMetadata
        )
        events = (
            moments | "Clock" >> WatermarkAlone() | "LookAfterModels" >> beam.ParDo(_Upkeep(self._run, self._config))
        )
        return WatchedModels(metadata, events)


class _StateNewest(TellsModelEvents):
    """For each look: which model is live, if there is one, and what happened to models since the last look.

    The next look may come to any process of the fleet, of which this one may never have looked before; so what is
    stated is what the registry says now, and this look is waited for. No image waits for it.
    """

    def process(self, element: Any, finalizer: Any = beam.DoFn.BundleFinalizerParam) -> Iterable[Any]:
        watch = self._run.here.serving(self._config).watch
        statement = watch.fresh_statement(min(self._config.poll_seconds, _LONGEST_LOOK_SECONDS))
        if statement is not None:
            yield _metadata(statement)
        for event in self.model_events(finalizer):
            yield beam.pvalue.TaggedOutput(MODEL_EVENTS, event)


class StateForWindow(beam.DoFn):
    """One statement for each element; waits until there is any model at all."""

    def __init__(self, run: JobRun, config: ServingConfig) -> None:
        super().__init__()
        self._run = run
        self._config = config

    def process(self, moment: Any) -> Iterable[ModelMetadata]:
        statement = self._run.here.serving(self._config).watch.wait_for_statement()
        if statement is None:
            raise RuntimeError("the watch was closed while images still arrive")
        yield _metadata(statement)


class _Upkeep(TellsModelEvents):
    """Ticks with the source's watermark: tells the live models what is stated, and yields their events."""

    TICK = TimerSpec("tick", TimeDomain.WATERMARK)
    SECONDS = 0.5

    def process(self, element: tuple[str, str], tick: Any = beam.DoFn.TimerParam(TICK)) -> None:
        self._run.here.serving(self._config).watch  # noqa: B018 - starts it
        tick.set(Timestamp.of(time.time()))

    @on_timer(TICK)
    def look(self, tick: Any = beam.DoFn.TimerParam(TICK)) -> Iterable[ModelEvent]:
        tick.set(Timestamp.of(time.time() + self.SECONDS))
        here = self._run.here.serving(self._config)
        statement = here.watch.statement
        if statement is not None:
            here.follow(statement)
        yield from self.model_events(None)


def _metadata(statement: Statement) -> ModelMetadata:
    # RunInference counts anew under each name that it is told here, and runners keep every counter while the job lives.
    return ModelMetadata(model_id=statement.encode(), model_name="")
