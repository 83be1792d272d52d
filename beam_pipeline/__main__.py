"""`python -m beam_pipeline`: runs the job on the DirectRunner, or submits it to another runner."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from beam_pipeline.books import details_of
from beam_pipeline.option_table import JobOptions
from beam_pipeline.options import OptionError, parse_options
from beam_pipeline.pipeline import build
from beam_pipeline.running import LocalRun
from beam_pipeline.source import GatheredMessages, pubsub_source
from beam_pipeline.stopping import stop_requests
from models.errors import one_line
from models.memory import keep_freed_memory
from transforms.pubsub import EMULATOR_VARIABLE
from transforms.pubsub.access import check_subscription, check_topics, subscription_for_one_run
from transforms.pubsub.errors import PubSubRefused
from transforms.pubsub.gate import PubSubGate
from transforms.windowing import SideInputMode

_LOGGER = logging.getLogger("hotswap")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs or submits the job; returns the exit code."""
    keep_freed_memory()  # before a thread makes a place of its own for it
    try:
        options, job, mode = parse_options(sys.argv[1:] if argv is None else argv)
    except OptionError as error:
        print(f"error: {one_line(error, 1000)}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    if not job.image_prefix:
        _LOGGER.warning("no --image_prefix: every path that a message names is read, if this job may read it")
    if mode is SideInputMode.TRIGGERED:
        pipeline = beam.Pipeline(options=options)
        build(pipeline, pubsub_source(job), job, mode)
        pipeline.run()
        return 0
    return _run_here(options, job)


def _run_here(options: PipelineOptions, job: JobOptions) -> int:
    for noisy in ("apache_beam", "google", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    project = options.view_as(GoogleCloudOptions).project
    try:
        with stop_requests() as stop_requested, contextlib.ExitStack() as stack:
            job = _readable(job, project, stack)
            emulator = os.environ.get(EMULATOR_VARIABLE)
            # Google's own service cannot be told to hold: the last that it delivers may be lost.
            beside = filter(None, (job.feedback_subscription,))
            gate = stack.enter_context(PubSubGate(emulator, beside=beside)) if emulator else None
            source = pubsub_source(job) if gate else GatheredMessages(job)
            return _run(LocalRun(options, job, source), stop_requested, gate)
    except (PubSubRefused, OSError) as error:
        print(f"error: {one_line(error, 1000)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _readable(job: JobOptions, project: str | None, stack: contextlib.ExitStack) -> JobOptions:
    """The job with topics that are there, and a subscription that can be read; an `--input_topic` gets its own.

    Raises:
        PubSubRefused: see there.
    """
    check_topics(filter(None, (job.output_topic, job.dead_letter_topic, job.model_events_topic)))
    if job.feedback_subscription is not None:
        check_subscription(job.feedback_subscription)
    if job.input_subscription is not None:
        check_subscription(job.input_subscription)
        return job
    subscription = stack.enter_context(subscription_for_one_run(job.input_topic or "", project))
    return replace(job, input_topic=None, input_subscription=subscription)


def _run(run: LocalRun, stop_requested: Callable[[], bool], gate: PubSubGate | None) -> int:
    try:
        if run.await_model(stop_requested):
            run.start()
        while run.failure is None and not stop_requested():
            time.sleep(0.2)
        if run.failure is None:
            _LOGGER.info("stopping: finishing what was read")
        if gate is not None:
            gate.hold()
        books = run.drain(lambda books: gate is None or gate.delivered == books.messages_in)
        details = details_of(run.counts())
    finally:
        run.close()
    _LOGGER.info("books: %s", books)
    for what, told in details.items():
        _LOGGER.info("%s: %s", what, told)
    if run.failure is not None:
        print(f"error: the job failed: {run.failure_line()}", file=sys.stderr)
    return 1 if run.failure is not None or books.open else 0


if __name__ == "__main__":
    sys.exit(main())
