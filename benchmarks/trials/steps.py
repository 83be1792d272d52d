"""The job's own steps from an image's file to its record, in this process, with a trial under way or without one."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from benchmarks.bounded_run import classify
from benchmarks.ways import Timing
from models.records import ImageRequest, Origin
from models.reference import Mode, ModelReference, StatedTrial, Statement, sha256_of
from models.serving import ServingConfig
from models.trials.matching import FIRST_BATCHES
from models.trials.sides import is_tried
from transforms.inference import HotSwapModelHandler
from transforms.process import JobRun, largest_input
from transforms.reading import ReadImages
from transforms.results import FormatResults

_LOADING_SECONDS = 120.0
_TRIALS_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Way:
    """How images are answered.

    Attributes:
        name: as tables call it.
        mode: None where no model is tried.
        share: of the images that one is tried on.
    """

    name: str
    mode: Mode | None = None
    share: float = 0.0


class TrialSteps:
    """One live model and one that is tried, each loaded beside the other, without a folder that is watched.

    Args:
        live: a model file.
        new: another.
        folder: for compiled models and the registry.
        batch: most images in one call of a model.
    """

    def __init__(self, live: Path, new: Path, folder: Path, batch: int = 32) -> None:
        logging.getLogger().setLevel(logging.WARNING)
        self._run = JobRun(f"bench-{live.stem}-{folder}")
        self._config = ServingConfig(
            str(live), 3600.0, max_batch_size=batch, cache_folder=f"{folder}/cache", registry=f"{folder}/registry"
        )
        self._serving = self._run.here.serving(self._config)
        statement = self._serving.watch.wait_for_statement()
        assert statement is not None
        self._statement = statement
        self._serving.follow(statement)
        self._serving.live.current()
        self._new = ModelReference(str(new), sha256_of(new))
        self._epoch = statement.epoch

    def answer_by(self, way: Way, keys: Sequence[str]) -> int:
        """Has images be answered so from now on, once the models for that are in memory; how many will be tried.

        Args:
            way: how.
            keys: of the images that will be asked. The trial's number is one by which its share of just these is as
                near to what it should be as can be: with few images chance would make one trial dearer than another.
        """
        trial = None
        if way.mode is not None:
            first, share = self._epoch + 1, way.share
            trials = [StatedTrial(first + more, self._new, way.mode, share) for more in range(_TRIALS_LOOKED_AT)]
            wanted = share * len(keys)
            trial = min(trials[::10], key=lambda each: abs(_tried(each, keys) - wanted))
        self._epoch += _TRIALS_LOOKED_AT
        self._serving.follow(Statement(self._statement.reference, self._epoch, trial))
        deadline = time.monotonic() + _LOADING_SECONDS
        while self._is_tried() != trial:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{way.name}: the models are not there: {self._serving.live.why_not_tried()}")
            time.sleep(0.01)
        if trial is None:
            return 0
        matching = self._serving.gathering.matching(trial)
        assert matching is not None
        for _ in range(FIRST_BATCHES):  # at a trial's beginning more is timed, for seconds of all its minutes
            matching.first()
        return _tried(trial, keys)

    def classify(self, paths: list[str]) -> Timing:
        """One bounded run over the images at `paths`; each has a path of its own, by which it is tried or not."""
        return classify(paths, self._classes)

    def close(self) -> None:
        """Ends the processes of the models."""
        self._run.here.end()

    def _is_tried(self) -> StatedTrial | None:
        on_trial = self._serving.live.on_trial()
        return on_trial.trial if on_trial is not None else None

    def _classes(self, paths: beam.PCollection) -> beam.PCollection:
        needed = partial(largest_input, self._run, self._config)
        read = paths | "Request" >> beam.Map(_request) | ReadImages(needed=needed, run=self._run)
        predictions = read.images | RunInference(HotSwapModelHandler(self._config, self._run))
        formatted = predictions | FormatResults(self._config, self._run)
        return formatted.results | "Class" >> beam.Map(_class)


def _tried(trial: StatedTrial, keys: Sequence[str]) -> int:
    return sum(is_tried(trial, key) for key in keys)


def _request(path: str) -> ImageRequest:
    return ImageRequest(path, Origin("", "", {}))


def _class(result: dict[str, Any]) -> int:
    return int(result["class_index"])
