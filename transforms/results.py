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
from transforms.model_events import TellsModelEvents
from transforms.outputs import DEAD_LETTERS, MODEL_EVENTS
from transforms.process import THE_JOB, JobRun
from transforms.trials import GatherTrials


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


class _Format(TellsModelEvents):
    def __init__(self, run: JobRun, config: ServingConfig, masks: MaskFolder | None) -> None:
        super().__init__(run, config)
        self._masks = masks
        self._has_told = False
        self._trials = GatherTrials(run, config)

    def start_bundle(self) -> None:
        super().start_bundle()
        self._has_told = False
        self._trials.start_bundle()

    def finish_bundle(self) -> None:
        super().finish_bundle()
        self._trials.finish_bundle()

    def process(self, result: PredictionResult, finalizer: Any = beam.DoFn.BundleFinalizerParam) -> Iterable[Any]:
        try:
            yield self._formatted(result)
            self._trials.see(result.example.image, result.inference)
            if not self._has_told:
                self._has_told = True
                for event in self.model_events(finalizer):
                    yield beam.pvalue.TaggedOutput(MODEL_EVENTS, event)
        except BaseException:
            self.failed()
            raise

    def _formatted(self, result: PredictionResult) -> Any:
        meter = self._run.here.meter
        request, answer = result.example, result.inference
        if isinstance(answer.outcome, ImageError):
            fault = answer.outcome
            meter.count_dead_letter("predict", fault.fault)
            letter = DeadLetter(
                request.image, None, "predict", fault.fault, fault.detail, request.origin, result.model_id
            )
            return beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
        if self._masks is not None and isinstance(answer.outcome, Mask):
            answer = answer._replace(outcome=self._masks.put(answer.outcome, request.image, result.model_id))
        meter.count_result(result.model_id)
        return result_record(request, answer, result.model_id)
