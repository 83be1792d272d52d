"""What is predicted becomes a result or a dead letter, and either keeps what its message said of itself."""

from __future__ import annotations

from pathlib import Path

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to

from models.errors import ImageError, ImageFault
from models.records import Answer, DeadLetter, ImageRequest, Origin
from models.serving import ServingConfig
from transforms.process import JobRun
from transforms.results import FormatResults

ORIGIN = Origin("7", "2026-01-01T00:00:00.000000Z", {"customer": "42"})
MODEL = "/m.h5@sha256:0123456789ab"


def refused(image: str) -> PredictionResult:
    answer = Answer(ImageError(ImageFault.PREDICTION_FAILED, "why"), "m", "2026-01-01T00:00:01.000000Z")
    return PredictionResult(ImageRequest(image, ORIGIN), answer, MODEL)


def test_an_image_without_an_answer_is_a_dead_letter_that_names_its_model_and_keeps_its_attributes(
    tmp_path: Path,
) -> None:
    run = JobRun("without an answer")
    serving = ServingConfig(str(tmp_path / "*.onnx"), cache_folder=str(tmp_path / "cache"))
    with TestPipeline() as pipeline:
        formatted = pipeline | beam.Create(["/i.png"]) | beam.Map(refused) | FormatResults(serving, run)
        letter = DeadLetter("/i.png", None, "predict", ImageFault.PREDICTION_FAILED, "why", ORIGIN, MODEL)
        assert_that(formatted.dead_letters, equal_to([letter]))
        assert_that(formatted.results, equal_to([]), label="no result")
    run.here.end()
