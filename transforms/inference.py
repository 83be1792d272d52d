"""The model handler that stock RunInference is given: it answers with whatever model is live, and says which."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from models.errors import ImageError, ImageFault
from models.live import LiveModels
from models.moments import rfc3339
from models.records import Answer, DecodedImage
from models.reference import Statement
from models.serving import ServingConfig
from models.trials.answering import answer_on_trial
from models.trials.sides import trial_key
from transforms import metrics
from transforms.process import THE_JOB, JobRun

BATCH_BYTES = 256 << 20
"""Of the pixels of one batch, unless a single image has more."""


class HotSwapModelHandler(ModelHandler[DecodedImage, PredictionResult, LiveModels]):
    """Hands RunInference one process-wide holder of live models.

    A batch takes the live model and its reference together, as one value, and that reference goes on each result of
    the batch. Nothing reads an id from the path that the side input last named, so a result cannot be tagged with a
    model that did not make it.

    While a model is tried it answers its share, so that the results of a batch may be of two models. Each still bears
    the id of the one that made it.

    A batch has images of one bundle. What is to wait for others does so before it is read (`transforms.gathering`).

    Args:
        config: which models are served, and how.
        run: whose models they are.
    """

    def __init__(self, config: ServingConfig, run: JobRun = THE_JOB) -> None:
        super().__init__(
            min_batch_size=config.max_batch_size,
            max_batch_size=config.max_batch_size,
            element_size_fn=partial(_images_worth, config.max_batch_size),
        )
        self._config = config
        self._run = run

    def load_model(self) -> LiveModels:
        """The holder; loading is its own affair and holds up nobody but the very first batch."""
        return self._run.here.serving(self._config).live

    def update_model_path(self, model_path: str | None = None) -> None:
        """Passes on which model should be live. A window without a statement changes nothing."""
        if model_path:
            self._run.here.serving(self._config).follow(Statement.decode(model_path))

    def run_inference(
        self, batch: Sequence[DecodedImage], model: LiveModels, inference_args: dict[str, Any] | None = None
    ) -> Iterable[PredictionResult]:
        """One `PredictionResult` for each image: its request, an `Answer`, and the id of the model that answered."""
        # The first one is waited for, which is no time of a prediction.
        here = self._run.here
        serving = here.serving(self._config)
        if model.peek() is None and not serving.await_model():
            return [PredictionResult(image.request, _unanswered(self._config.model_pattern)) for image in batch]
        started = time.monotonic()
        keys = (trial_key(image.request) for image in batch)
        told = answer_on_trial(model, serving.gathering, keys, [image.raster for image in batch])
        meter = here.meter
        meter.observe(metrics.BATCH_SIZE, len(batch))
        meter.observe(metrics.PREDICT_MS, (time.monotonic() - started) * 1000)
        now = rfc3339()
        return [
            PredictionResult(image.request, Answer(outcome, by.card.name, now, tried), by.reference.model_id)
            for image, (by, outcome, tried) in zip(batch, told, strict=True)
        ]

    def get_num_bytes(self, batch: Sequence[DecodedImage]) -> int:
        """Bytes of pixels, without pickling the batch to count them."""
        return sum(image.raster.pixels.nbytes for image in batch)

    def get_metrics_namespace(self) -> str:
        """Where RunInference's own metrics go, beside this project's."""
        return "RunInference"


def _unanswered(pattern: str) -> Answer:
    detail = f"no valid model has matched {pattern} so far; publish one, and replay this"
    return Answer(ImageError(ImageFault.NO_MODEL, detail), "", rfc3339())


def _images_worth(largest_batch: int, image: DecodedImage) -> int:
    """As how many images one counts: more than one where a batch of such would be over `BATCH_BYTES`."""
    return min(largest_batch, max(1, -(-image.raster.pixels.nbytes * largest_batch // BATCH_BYTES)))
