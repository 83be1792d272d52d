"""`python -m launch.local`: the whole job on this machine, on a folder of images and a pattern of models."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.logging import RichHandler

from beam_pipeline.options import JobOptions, OptionError, parse_options
from beam_pipeline.running import Books, LocalRun, details_of, pubsub_source, stop_requests
from launch.command_line import LaunchError, LaunchFailed, run
from launch.image_folder import ImageFolder
from launch.local_pubsub import LocalPubSub, local_pubsub
from launch.progress import Moment, Report, progress
from launch.result_stream import Pace, follow
from models.storage import LocalStorage
from transforms.sinks import drop_half_line

_LOGGER = logging.getLogger(__name__)

app = typer.Typer(add_completion=False)

_LOOK_SECONDS = 0.1
ANY_SUBSCRIPTION = "projects/hotswap-local/subscriptions/any"
"""Stands in while the options are checked: which one it will be is known once there is a Pub/Sub."""


@app.command()
def local(
    models: Annotated[str, typer.Option(help="Glob of model files; the newest valid one is live.")],
    images: Annotated[Path, typer.Option(help="Folder of images; those that land there later count too.")],
    output: Annotated[str, typer.Option(help="JSON Lines file that results are appended to; - is standard output.")],
    dead_letters: Annotated[str | None, typer.Option(help="JSON Lines file for what could not be predicted.")] = None,
    model_events: Annotated[str | None, typer.Option(help="JSON Lines file for what happened to models.")] = None,
    engine: Annotated[str, typer.Option(help="auto, tensorflow or onnx.")] = "auto",
    poll_seconds: Annotated[float, typer.Option(help="Between two looks at the models.")] = 1.0,
    image_prefix: Annotated[list[str] | None, typer.Option(help="Only images below one of these are read.")] = None,
    max_batch_size: Annotated[int, typer.Option(help="Most images in one call of the model.")] = 32,
    max_batch_wait_ms: Annotated[int, typer.Option(help="How long a batch waits for more images.")] = 0,
    max_image_bytes: Annotated[int | None, typer.Option(help="Larger files are dead letters.")] = None,
    max_image_pixels: Annotated[int | None, typer.Option(help="Larger images are dead letters.")] = None,
    exact_decode: Annotated[bool, typer.Option(help="Never decode a large image at reduced size.")] = False,
    exit_when_idle: Annotated[
        float | None, typer.Option(help="End once this many seconds have passed with nothing in flight.")
    ] = None,
) -> int:
    """Runs the job on the DirectRunner, fed by an embedded Pub/Sub emulator or by PUBSUB_EMULATOR_HOST."""
    if not images.is_dir():
        raise LaunchError(f"--images {images} is not a folder")
    if exit_when_idle is not None and not 0 <= exit_when_idle < float("inf"):
        raise LaunchError(f"--exit-when-idle is {exit_when_idle}; it must be a number of seconds")
    console = Console(stderr=True)
    _log_to(console)
    pace = Pace()
    options, job = _job(
        f"--input_subscription={ANY_SUBSCRIPTION}",
        f"--model_pattern={models}",
        f"--model_poll_seconds={poll_seconds}",
        f"--output_path={output}",
        f"--engine={engine}",
        f"--max_batch_size={max_batch_size}",
        f"--max_batch_wait_ms={max_batch_wait_ms}",
        *(f"--image_prefix={prefix}" for prefix in image_prefix or []),
        *([f"--max_image_bytes={max_image_bytes}"] if max_image_bytes is not None else []),
        *([f"--max_image_pixels={max_image_pixels}"] if max_image_pixels is not None else []),
        *(["--exact_decode"] if exact_decode else []),
    )
    files = [name for name in (output, dead_letters, model_events) if name and name != "-"]
    letters_path, events_path = (_file(name) if name else None for name in (dead_letters, model_events))
    job = replace(job, dead_letter_path=letters_path, model_events_path=events_path)
    if not image_prefix:
        _LOGGER.warning("no --image-prefix: every path that a message names is read, if you may read it")
    with (
        stop_requests() as stop_requested,
        local_pubsub() as pubsub,
        follow(output if output == "-" else _file(output), pace) as output_path,
    ):
        job = replace(job, input_subscription=pubsub.subscription, output_path=output_path)
        try:
            run_here = LocalRun(options, job, pubsub_source(job))
        except OSError as error:
            raise LaunchError(f"compiled models cannot be kept: {error}") from error
        try:
            run_here.start()
            console.print(f"ready: {pubsub.ready}", highlight=False, soft_wrap=True)
            left_out = _LeftOut(models, files)
            session = _Session(run_here, pubsub, pace, ImageFolder(images, pubsub.publish, left_out), models)
            with progress(pace, console) as report:
                books = session.go(stop_requested, exit_when_idle, report)
        finally:
            details = details_of(run_here.counts())
            run_here.close()
    console.print(f"books: {books}", highlight=False, soft_wrap=True)
    for what, told in details.items():
        console.print(f"{what}: {told}", highlight=False, soft_wrap=True, markup=False)
    if run_here.failure is not None:
        raise LaunchFailed(f"the job failed: {run_here.failure_line()}")
    if pace.trouble:
        raise LaunchFailed(f"the job failed: {pace.trouble}")
    return 1 if books.open else 0


class _Session:
    """One local run, from waiting for the first model to the last result."""

    def __init__(self, run_here: LocalRun, pubsub: LocalPubSub, pace: Pace, folder: ImageFolder, models: str) -> None:
        self._run = run_here
        self._pubsub = pubsub
        self._pace = pace
        self._folder = folder
        self._models = models
        self._live_since = ("", time.monotonic())

    def go(self, stop_requested: Callable[[], bool], exit_when_idle: float | None, report: Report) -> Books:
        """Runs until asked to stop, until idle for so many seconds, or until the job fails; then finishes."""
        reading = False
        quiet_since, before = time.monotonic(), Books()
        try:
            while self._run.failure is None and not self._pace.trouble and not stop_requested():
                if not reading and self._run.serving.live.peek() is not None:
                    reading = True
                    self._pubsub.resume()
                books = self._run.books()
                if books != before or not self._nothing_in_flight(books):
                    quiet_since, before = time.monotonic(), books
                if exit_when_idle is not None and time.monotonic() - quiet_since >= exit_when_idle:
                    break
                report(self._moment(books, reading))
                time.sleep(_LOOK_SECONDS)
        finally:
            self._pubsub.hold()
            self._folder.close()
        if stop_requested() and self._run.failure is None:
            _LOGGER.info("finishing what was read; interrupt again to end at once")
        return self._run.drain(lambda books: self._pubsub.all_counted(books.messages_in))

    def _nothing_in_flight(self, books: Books) -> bool:
        return self._folder.settled and not books.open and self._pubsub.all_delivered(books.messages_in)

    def _moment(self, books: Books, reading: bool) -> Moment:
        live = self._run.serving.live.peek()
        model_id = live.reference.model_id if live else ""
        if model_id != self._live_since[0]:
            self._live_since = (model_id, time.monotonic())
        return Moment(
            books=books,
            model_id=model_id,
            model_seconds=time.monotonic() - self._live_since[1],
            events=self._run.serving.events.counts(),
            waiting_for="" if reading else f"waiting for a valid model that matches {self._models}",
        )


class _LeftOut:
    """Tells which files in the folder of images are none: the models, and what this run writes."""

    def __init__(self, models: str, written: Sequence[str]) -> None:
        self._storage = LocalStorage()
        self._models = models
        self._written = {os.path.realpath(name) for name in written}

    def __call__(self, path: str) -> bool:
        if os.path.realpath(path) in self._written:
            return True
        return "://" not in self._models and any(
            Path(path).samefile(file.uri) for file in self._storage.list(self._models)
        )


def _job(*argv: str) -> tuple[PipelineOptions, JobOptions]:
    """The job's checked options.

    Raises:
        LaunchError: one is wrong, named as the user named it.
    """
    try:
        options, job, _ = parse_options(argv)
    except OptionError as error:
        raise LaunchError(re.sub(r"--\w+", lambda found: _OWN_NAMES.get(found[0], found[0]), str(error))) from error
    return options, job


_OWN_NAMES = {
    "--model_pattern": "--models",
    "--model_poll_seconds": "--poll-seconds",
    "--image_prefix": "--image-prefix",
    "--max_batch_size": "--max-batch-size",
    "--max_batch_wait_ms": "--max-batch-wait-ms",
    "--max_image_bytes": "--max-image-bytes",
    "--max_image_pixels": "--max-image-pixels",
}


def _file(output: str) -> str:
    """The file that an output option names, made ready for whole lines.

    Raises:
        LaunchError: it cannot be written.
    """
    path = Path(output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cut = drop_half_line(path)
        with path.open("ab"):
            pass
    except OSError as error:
        raise LaunchError(f"{output} cannot be written: {error.strerror or error}") from error
    if cut:
        _LOGGER.warning("%s ended in half a line of a killed run; its %d bytes were cut off", output, cut)
    return str(path)


def _log_to(console: Console) -> None:
    if console.is_terminal:
        handler: logging.Handler = RichHandler(console=console, show_time=False, show_path=False, show_level=False)
    else:
        handler = logging.StreamHandler()
    # Beam says so with every model, whatever the platform; nothing here depends on it.
    handler.addFilter(lambda record: not record.getMessage().startswith("Resource module is not available"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    for noisy in ("apache_beam", "google", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(run(app))
