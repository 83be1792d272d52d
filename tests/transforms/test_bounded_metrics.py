"""However many models a job sees, its runner is given a bounded number of metrics to keep."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from models.images.decoding import Raster
from models.records import DecodedImage, ImageRequest, Origin
from models.serving import ServingConfig
from tests.end_to_end.telling_models import SIDE, drop
from tests.waiting import eventually
from transforms import metrics
from transforms.inference import HotSwapModelHandler
from transforms.process import JobRun
from transforms.results import FormatResults
from transforms.watching import StateForWindow

SWAPS = 100
OF_RUN_INFERENCE = {
    "num_inferences",
    "failed_batches_counter",
    "inference_request_batch_size",
    "inference_request_batch_byte_size",
    "inference_batch_latency_micro_secs",
    "model_byte_size",
    "load_model_latency_milli_secs",
}
"""What Beam 2.77's RunInference counts, with a prefix for each name of a model that it is told."""


def file_name(number: int) -> str:
    return f"{number:03d}.onnx"


def image(number: int) -> DecodedImage:
    return DecodedImage(
        ImageRequest(str(number), Origin("", "", {})), Raster(np.full((SIDE, SIDE, 3), number, np.uint8))
    )


def turn(number: int, run: JobRun, config: ServingConfig) -> int:
    """Removes all models before that of this number, and waits until it is the one that is stated."""
    folder = Path(config.model_pattern).parent
    if number:
        (folder / file_name(number - 1)).unlink()
    watch = run.here.serving(config).watch

    def is_stated() -> bool:
        return watch.statement is not None and watch.statement.reference.uri.endswith(file_name(number))

    eventually(is_stated, f"model {number} to be stated")
    return number


def once_live(result: PredictionResult, run: JobRun, config: ServingConfig) -> PredictionResult:
    """Waits until the model that the image came with answers."""
    wanted = file_name(int(result.example.image))

    def is_live() -> bool:
        live = run.here.serving(config).live.peek()
        return live is not None and live.reference.uri.endswith(wanted)

    eventually(is_live, f"model {wanted} to be live")
    return result


def test_a_hundred_swaps_leave_a_bounded_number_of_metrics(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for number in range(SWAPS + 1):
        drop(tmp_path / "models", "telling", file_name(number))
        os.utime(tmp_path / "models" / file_name(number), (1e9 - number, 1e9 - number))  # the first is the newest
    run = JobRun("a hundred swaps")
    config = ServingConfig(f"{tmp_path}/models/*.onnx", 0.02, "onnx", cache_folder=str(tmp_path / "cache"))

    pipeline = beam.Pipeline("FnApiRunner", PipelineOptions([]))
    moments = (
        pipeline
        | beam.Create(range(SWAPS + 1), reshuffle=False)
        | beam.Map(lambda number: TimestampedValue(number, number))
        | beam.WindowInto(FixedWindows(1))
    )
    stated = moments | beam.Map(partial(turn, run=run, config=config)) | beam.ParDo(StateForWindow(run, config))
    _ = (
        moments
        | "Image" >> beam.Map(image)
        | RunInference(HotSwapModelHandler(config, run=run), model_metadata_pcoll=stated)
        | "OnceLive" >> beam.Map(partial(once_live, run=run, config=config))
        | FormatResults(config, run)
    )
    result = pipeline.run()
    result.wait_until_finish()
    run.here.end()

    names = defaultdict(set)
    for kind in result.metrics().query().values():
        for each in kind:
            names[each.key.metric.namespace].add(each.key.metric.name)
    told_apart = [name for name in names[metrics.NAMESPACE] if name.startswith(metrics.BY_MODEL_PREFIX)]
    assert len(told_apart) == metrics.MODELS_TOLD_APART + 1
    assert "num_inferences" in names["RunInference"]
    assert names["RunInference"] <= OF_RUN_INFERENCE
