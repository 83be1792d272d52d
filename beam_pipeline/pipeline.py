"""The graph, from message to record. Assembly only: what runs it is in `__main__` and in `launch/`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import apache_beam as beam
from apache_beam.io.gcp.pubsub import PubsubMessage
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.transforms.window import GlobalWindows

from beam_pipeline.option_table import JobOptions
from models.events import ModelEvent
from models.records import DeadLetter, DecodedImage, ImageRequest
from models.serving import ServingConfig
from transforms.feedback import NoteLabels, ParseFeedback
from transforms.feedback_source import ReadFeedback
from transforms.gathering import GatherRequests
from transforms.inference import HotSwapModelHandler
from transforms.messages import ParseMessages
from transforms.process import THE_JOB, JobRun, largest_input
from transforms.reading import ReadImages
from transforms.results import FormatResults
from transforms.sinks import WriteJson
from transforms.watching import WatchFilePattern
from transforms.windowing import SideInputMode, WindowForModels


def build(
    pipeline: beam.Pipeline,
    source: beam.PTransform,
    job: JobOptions,
    mode: SideInputMode,
    run: JobRun = THE_JOB,
    feedback: str | None = None,
) -> None:
    """Adds the job to `pipeline`.

    Args:
        pipeline: an empty one.
        source: yields `PubsubMessage`s, unbounded.
        job: its checked options.
        mode: how the runner must be given side inputs.
        run: whose models, threads and counters the steps share in a process.
        feedback: subscription of true labels for which no trial waits; that of `job` where None.
    """
    serving = replace(job.serving, alone=mode is SideInputMode.WINDOWED)

    messages: beam.PCollection[PubsubMessage] = pipeline | "ReadMessages" >> source

    parsed = messages | "ParseMessages" >> ParseMessages(run)
    requests: beam.PCollection[ImageRequest] = parsed.requests
    if job.max_batch_wait_ms:
        requests = requests | "GatherRequests" >> GatherRequests(job.max_batch_size, job.max_batch_wait_ms)

    read = requests | "ReadImages" >> ReadImages(
        job.image_prefix, job.decode_limits, partial(largest_input, run, serving), job.exact_decode, run=run
    )
    images: beam.PCollection[DecodedImage] = read.images

    arrivals = images | "WindowForModels" >> WindowForModels(mode)
    models = arrivals.moments | "WatchModels" >> WatchFilePattern(
        job.model_pattern, job.model_poll_seconds, config=serving, mode=mode, run=run
    )
    handler = HotSwapModelHandler(serving, run)
    predictions: beam.PCollection[PredictionResult] = arrivals.elements | RunInference(
        handler, model_metadata_pcoll=models.metadata
    )
    formatted = predictions | "FormatResults" >> FormatResults(serving, run, job.mask_path)
    unwritten = formatted.results | "WriteResults" >> WriteJson(job.output_topic, job.output_path, run)

    unpredicted = (formatted.dead_letters, unwritten) | "Unpredicted" >> beam.Flatten()
    dead_letters: beam.PCollection[DeadLetter] = (
        parsed.dead_letters,
        read.dead_letters,
        unpredicted | "DeadLettersOfAnyTime" >> beam.WindowInto(GlobalWindows()),
        *_feedback_letters(messages, predictions, feedback or job.feedback_subscription, serving, mode, run),
    ) | "DeadLetters" >> beam.Flatten()
    _ = dead_letters | "WriteDeadLetters" >> WriteJson(job.dead_letter_topic, job.dead_letter_path, run)

    events: beam.PCollection[ModelEvent] = (
        models.events,
        formatted.model_events | "EventsOfAnyTime" >> beam.WindowInto(GlobalWindows()),
    ) | "ModelEvents" >> beam.Flatten()
    _ = events | "WriteModelEvents" >> WriteJson(job.model_events_topic, job.model_events_path, run)


def _feedback_letters(
    messages: beam.PCollection,
    predictions: beam.PCollection,
    subscription: str | None,
    serving: ServingConfig,
    mode: SideInputMode,
    run: JobRun,
) -> tuple[beam.PCollection, ...]:
    """Has true labels noted, where there is a subscription of them; the dead letters of those that are none."""
    if subscription is None:
        return ()
    told = messages | "ReadFeedback" >> ReadFeedback(subscription, mode, run)
    feedback = told | "ParseFeedback" >> ParseFeedback(run)
    _ = (predictions, feedback.labels) | "NoteLabels" >> NoteLabels(serving, mode, run)
    return (feedback.dead_letters,)
