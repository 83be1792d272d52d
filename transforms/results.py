"""From what RunInference gives to the records that users read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult

from models.errors import ImageError
from transforms import metrics
from transforms.records import Answer, DeadLetter, ImageRequest
from transforms.serving import ServingConfig
from transforms.watching import MODEL_EVENTS, drain_events

DEAD_LETTERS = "dead_letters"


class FormatResults(beam.PTransform):
    """`PredictionResult` → result records (main), `DeadLetter`s and this worker's `ModelEvent`s."""

    def __init__(self, config: ServingConfig) -> None:
        super().__init__()
        self._config = config

    def expand(self, predictions: beam.PCollection) -> beam.pvalue.DoOutputsTuple:
        return predictions | beam.ParDo(_Format(self._config)).with_outputs(DEAD_LETTERS, MODEL_EVENTS, main="results")


class _Format(beam.DoFn):
    def __init__(self, config: ServingConfig) -> None:
        self._config = config
        self._drained = False

    def start_bundle(self) -> None:
        self._drained = False

    def process(self, result: PredictionResult) -> Iterable[Any]:
        request, answer = result.example, result.inference
        if isinstance(answer.outcome, ImageError):
            fault = answer.outcome
            metrics.count_dead_letter("predict", fault.fault)
            letter = DeadLetter(
                request.image, None, "predict", fault.fault, fault.detail, request.origin, result.model_id
            )
            yield beam.pvalue.TaggedOutput(DEAD_LETTERS, letter)
        else:
            metrics.count_result(result.model_id)
            yield result_record(request, answer, result.model_id)
        if not self._drained:
            self._drained = True
            for event in drain_events(self._config):
                yield beam.pvalue.TaggedOutput(MODEL_EVENTS, event)


def result_record(request: ImageRequest, answer: Answer, model_id: str) -> dict[str, Any]:
    """A result as users read it: the contract's fields, in the contract's order."""
    assert not isinstance(answer.outcome, ImageError)
    return (
        {"image": request.image, "model_id": model_id, "model_name": answer.model_name}
        | answer.outcome.to_json()
        | {
            "message_id": request.origin.message_id,
            "publish_time": request.origin.publish_time,
            "predict_time": answer.predict_time,
            "attributes": dict(request.origin.attributes),
        }
    )
