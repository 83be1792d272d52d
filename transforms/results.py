"""From what RunInference gives to the records that users read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult

from models.errors import ImageError
from models.records import DeadLetter, result_record
from models.serving import ServingConfig
from models.tasks import Mask
from transforms.masks import MaskFolder
from transforms.outputs import DEAD_LETTERS, MODEL_EVENTS
from transforms.process import THE_JOB, JobRun
from transforms.watching import drain_events


class FormatResults(beam.PTransform):
    """`PredictionResult` → result records (main), `DeadLetter`s and this worker's `ModelEvent`s.

    Args:
        config: which models are served, and how.
        run: whose counters and events they are.
        mask_path: folder for masks; None leaves them in the results.
    """

    def __init__(self, config: ServingConfig, run: JobRun = THE_JOB, mask_path: str | None = None) -> None:
        super().__init__()
        self._config = config
        self._run = run
        self._masks = MaskFolder(mask_path) if mask_path else None

    def expand(self, predictions: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return predictions | beam.ParDo(_Format(self._run, self._config, self._masks)).with_outputs(
            DEAD_LETTERS, MODEL_EVENTS, main="results"
        )


class _Format(beam.DoFn):
    def __init__(self, run: JobRun, config: ServingConfig, masks: MaskFolder | None) -> None:
        super().__init__()
        self._run = run
        self._masks = masks
        self._config = config
        self._drained = False

    def start_bundle(self) -> None:
        self._drained = False

    def process(self, result: PredictionResult) -> Iterable[Any]:
        meter = self._run.here.meter
        request, answer = result.example, result.inference
        if isinstance(answer.outcome, ImageError):
            fault = answer.outcome
            meter.count_dead_letter("predict", fault.fault)
            letter = DeadLetter(
                request.image, None, "predict", fault.fault, fault.detail, request.origin, result.model_id
            )
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
        else:
            if self._masks is not None and isinstance(answer.outcome, Mask):
                outcome = self._masks.put(answer.outcome, request.image, result.model_id)
                answer = answer._replace(outcome=outcome)
            meter.count_result(result.model_id)
            yield result_record(request, answer, result.model_id)
        if not self._drained:
            self._drained = True
            for event in drain_events(self._run, self._config):
                yield beam.pvalue.TaggedOutput(MODEL_EVENTS, event)
