"""This project's own steps over a bounded collection."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, cast

import apache_beam as beam
from apache_beam.ml.inference.base import RunInference

from benchmarks.bounded_run import classify
from benchmarks.ways import Setup, Timing
from models.artefacts import EngineChoice
from models.records import ImageRequest, Origin
from models.serving import ServingConfig
from transforms.inference import HotSwapModelHandler
from transforms.process import THE_JOB, largest_input
from transforms.reading import ReadImages
from transforms.results import FormatResults


class OurWay:
    """`ReadImages`, `RunInference` with this project's handler, and `FormatResults`, between `Create` and a list."""

    def __init__(self, setup: Setup) -> None:
        logging.getLogger().setLevel(logging.WARNING)
        engine = cast(EngineChoice, setup.engine)
        self._config = ServingConfig(setup.model, setup.poll_seconds, engine, setup.batch, setup.cache)
        self._bundles = setup.bundles
        self._follow()
        THE_JOB.here.serving(self._config).live.current()

    def classify(self, paths: list[str]) -> Timing:
        """See `Way.classify`; with the newest model, once that is loaded beside."""
        self._follow()
        return classify(paths, self._classes, self._bundles)

    def _follow(self) -> None:
        here = THE_JOB.here.serving(self._config)
        statement = here.watch.wait_for_statement()
        assert statement is not None
        here.live.follow(statement)

    def _classes(self, paths: beam.PCollection) -> beam.PCollection:
        read = (
            paths | "Request" >> beam.Map(_request) | ReadImages(needed=partial(largest_input, THE_JOB, self._config))
        )
        formatted = read.images | RunInference(HotSwapModelHandler(self._config)) | FormatResults(self._config)
        return formatted.results | "Class" >> beam.Map(_class)


def _request(path: str) -> ImageRequest:
    return ImageRequest(path, Origin("", "", {}))


def _class(result: dict[str, Any]) -> int:
    return int(result["class_index"])
