"""Model events on their way through bundles: told by one, and again by another where that one is not committed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from models.events import ModelEvent, Telling
from models.serving import ServingConfig
from transforms import metrics
from transforms.process import JobRun


class TellsModelEvents(beam.DoFn):
    """A step whose bundles carry this process' model events.

    A runner of Beam's Fn API, as Dataflow is, calls a bundle's finalizers once it is committed, and tears down the
    steps of one that fails. The bundle-based DirectRunner does neither: there a step that fails says so, by `failed`,
    and what it has told is committed once it ends.
    """

    def __init__(self, run: JobRun, config: ServingConfig) -> None:
        super().__init__()
        self._run = run
        self._config = config
        self._told: list[Telling] = []
        self._not_finalized: list[Telling] = []
        self._is_over = False

    def start_bundle(self) -> None:
        """Begins with nothing told."""
        self._told, self._not_finalized, self._is_over = [], [], False

    def model_events(self, finalizer: Any | None) -> Iterator[ModelEvent]:
        """What has happened to models, counted.

        Args:
            finalizer: of the bundle, `DoFn.BundleFinalizerParam`; None in a timer, to which Beam gives none.
        """
        log = self._run.here.serving(self._config).events
        telling = log.tell()
        self._told.append(telling)
        if finalizer is None:
            self._not_finalized.append(telling)
        elif log.unconfirmed():
            finalizer.register(telling.confirm)
        for event in telling.events:
            self._run.here.meter.count_model_event(event)
            yield event

    def finish_bundle(self) -> None:
        """This step is done; those after it may not be."""
        self._is_over = True
        for telling in self._not_finalized:
            telling.let_go()

    def failed(self) -> None:
        """Has whatever this bundle has told be told again, so far as it is not known to be committed."""
        for telling in self._told:
            if telling.put_back(is_certain=not self._is_over):
                self._run.here.meter.take_back(metrics.MODEL_EVENTS, len(telling.events))

    def teardown(self) -> None:
        """Comes after a bundle that failed, or long after one that did not."""
        self.failed()
