"""The stock way as a stream: `python -m benchmarks.stock_stream --input_subscription=... --model_pattern=...`.

The job's own command line, windows, watcher and sink, around Beam's documented steps: what reads images and what
answers is another. Messages come as Beam reads them, and its handler finds its own batches; or, with `--gathered`,
messages come as the job reads them, in full batches.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.ml.inference.base import ModelMetadata, PredictionResult, RunInference

from beam_pipeline.options import parse_options
from beam_pipeline.source import pubsub_source
from benchmarks.stock import model_handler, read_image
from models.reference import Statement
from transforms.process import THE_JOB
from transforms.pubsub import EMULATOR_VARIABLE
from transforms.pubsub.gate import PubSubGate
from transforms.sinks import WriteJson
from transforms.watching import StateForWindow
from transforms.windowing import WindowForModels

BEAMS_MESSAGES = 10
"""What the DirectRunner asks for in one pull."""


def main(argv: Sequence[str]) -> int:
    """Runs until it is told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first_model", required=True, help="what the handler begins with")
    parser.add_argument("--side", type=int, required=True, help="height and width that the models take, in pixels")
    parser.add_argument("--grey", action="store_true", help="the models take one channel")
    parser.add_argument("--gathered", action="store_true", help="read all messages that wait at once, in full batches")
    mine, rest = parser.parse_known_args(argv)
    options, job, mode = parse_options(rest)
    logging.basicConfig(level=logging.WARNING)
    pipeline = beam.Pipeline(options=options)
    images = (
        pipeline
        | "ReadMessages" >> pubsub_source(job)
        | "ReadImage" >> beam.Map(_named_image, (mine.side, mine.side), mine.grey)
    )
    arrivals = images | "WindowForModels" >> WindowForModels(mode)
    newest = arrivals.moments | beam.ParDo(StateForWindow(THE_JOB, job.serving)).with_output_types(ModelMetadata)
    wait = job.max_batch_wait_ms / 1000 if job.max_batch_wait_ms else None
    _ = (
        arrivals.elements
        | RunInference(
            model_handler(mine.first_model, job.max_batch_size, full_at_once=mine.gathered, wait_seconds=wait),
            model_metadata_pcoll=newest | "ItsPath" >> beam.Map(_path_of),
        )
        | "PostProcess" >> beam.Map(_record)
        | "WriteResults" >> WriteJson(path=job.output_path)
    )
    emulator = os.environ[EMULATOR_VARIABLE]
    # Either way an empty pull is answered at once: Beam's runner would wait for its end, on its one thread.
    gate = PubSubGate(emulator) if mine.gathered else PubSubGate(emulator, BEAMS_MESSAGES, gather_seconds=0.0)
    with gate:
        result = pipeline.run()
        asked = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: asked.set())
        threading.Thread(target=_await_end, args=(result, asked), daemon=True).start()
        asked.wait()
    return 0


def _await_end(result: Any, asked: threading.Event) -> None:
    try:
        result.wait_until_finish()
    finally:
        asked.set()


def _named_image(message: PubsubMessage, size: tuple[int, int], grey: bool) -> tuple[str, Any]:
    return message.attributes["number"], read_image(message.data.decode(), size, grey)


def _path_of(stated: ModelMetadata) -> ModelMetadata:
    path = Statement.decode(stated.model_id).reference.uri
    return ModelMetadata(model_id=path, model_name=stated.model_name)


def _record(answer: tuple[str, PredictionResult]) -> dict[str, Any]:
    number, result = answer
    scores = np.asarray(result.inference)
    best = int(np.argmax(scores))
    return {
        "model_id": result.model_id,
        "class_index": best,
        "score": float(scores[best]),
        "attributes": {"number": number},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
