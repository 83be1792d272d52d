"""`hotswap local`: the whole job on this machine, on a folder of images and a pattern of models."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from apache_beam.options.pipeline_options import PipelineOptions
from rich.logging import RichHandler

from beam_pipeline.books import details_of
from beam_pipeline.option_table import JobOptions, as_flags
from beam_pipeline.options import OptionError, parse_options
from beam_pipeline.running import LocalRun
from beam_pipeline.source import pubsub_source
from beam_pipeline.stopping import stop_requests
from launch.command_line import CommandFailed, CommandRefused
from launch.job_flags import with_job_flags
from launch.local.image_folder import ImageFolder
from launch.local.output_files import ready_file
from launch.local.progress import SharedConsole, progress
from launch.local.pubsub import local_pubsub
from launch.local.result_stream import Pace, follow
from launch.local.session import LeftOut, Session

_LOGGER = logging.getLogger(__name__)

ANY_SUBSCRIPTION = "projects/hotswap-local/subscriptions/any"
"""Stands in while the options are checked: which one it will be is known once there is a Pub/Sub."""
CALLED = {"model_pattern": "models", "model_poll_seconds": "poll_seconds"}
"""What this verb calls an option of the job otherwise."""
TAKEN_OVER = (
    "model_pattern",
    "model_poll_seconds",
    "image_prefix",
    "engine",
    "max_batch_size",
    "max_batch_wait_ms",
    "max_image_bytes",
    "max_image_pixels",
    "exact_decode",
    "model_cache",
)

app = typer.Typer(add_completion=False)


@app.command()
@with_job_flags(TAKEN_OVER, CALLED, {"model_poll_seconds": 1.0})
def local(
    images: Annotated[Path, typer.Option(help="Folder of images; those that land there later count too.")],
    output: Annotated[str, typer.Option(help="JSON Lines file that results are appended to; - is standard output.")],
    dead_letters: Annotated[str | None, typer.Option(help="JSON Lines file for what could not be predicted.")] = None,
    model_events: Annotated[str | None, typer.Option(help="JSON Lines file for what happened to models.")] = None,
    exit_when_idle: Annotated[
        float | None, typer.Option(help="End once this many seconds have passed with nothing in flight.")
    ] = None,
    *,
    job: Mapping[str, Any],
) -> int:
    """Runs the job on the DirectRunner, fed by an embedded Pub/Sub emulator or by PUBSUB_EMULATOR_HOST."""
    if not images.is_dir():
        raise CommandRefused(f"--images {images} is not a folder")
    if exit_when_idle is not None and not 0 <= exit_when_idle < float("inf"):
        raise CommandRefused(f"--exit-when-idle is {exit_when_idle}; it must be a number of seconds")
    console = SharedConsole(stderr=True)
    _log_to(console)
    # Results on the same terminal scroll by, and would tear a panel.
    panel = console.takes_panel and not (output == "-" and sys.stdout.isatty())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    pace = Pace()
    models = job["model_pattern"]
    options, checked = _checked({"input_subscription": ANY_SUBSCRIPTION, "output_path": output} | dict(job))
    files = [name for name in (output, dead_letters, model_events) if name and name != "-"]
    letters_path, events_path = (ready_file(name) if name else None for name in (dead_letters, model_events))
    checked = replace(checked, dead_letter_path=letters_path, model_events_path=events_path)
    if not checked.image_prefix:
        _LOGGER.warning("no --image-prefix: every path that a message names is read, if you may read it")
    with (
        stop_requests() as stop_requested,
        local_pubsub() as pubsub,
        follow(output if output == "-" else ready_file(output), pace) as output_path,
    ):
        checked = replace(checked, input_subscription=pubsub.subscription, output_path=output_path)
        try:
            run_here = LocalRun(options, checked, pubsub_source(checked))
        except OSError as error:
            raise CommandRefused(f"compiled models cannot be kept: {error}") from error
        try:
            run_here.start()
            console.print(f"ready: {pubsub.ready}", highlight=False, soft_wrap=True)
            left_out = LeftOut(models, files)
            session = Session(run_here, pubsub, pace, ImageFolder(images, pubsub.publish, left_out), models)
            with progress(pace, console, panel) as report:
                books = session.go(stop_requested, exit_when_idle, report)
        finally:
            details = details_of(run_here.counts())
            run_here.close()
    console.print(f"books: {books}", highlight=False, soft_wrap=True)
    for what, told in details.items():
        console.print(f"{what}: {told}", highlight=False, soft_wrap=True, markup=False)
    if run_here.failure is not None:
        raise CommandFailed(f"the job failed: {run_here.failure_line()}")
    if pace.trouble:
        raise CommandFailed(f"the job failed: {pace.trouble}")
    return 1 if books.open else 0


def _checked(values: Mapping[str, Any]) -> tuple[PipelineOptions, JobOptions]:
    """The job's checked options.

    Raises:
        CommandRefused: one is wrong, named as the user named it.
    """
    try:
        options, job, _ = parse_options(as_flags(values))
    except OptionError as error:
        raise CommandRefused(re.sub(r"--(\w+)", _as_called_here, str(error))) from error
    return options, job


def _as_called_here(found: re.Match[str]) -> str:
    name = found[1]
    return f"--{CALLED.get(name, name).replace('_', '-')}"


def _log_to(console: SharedConsole) -> None:
    if console.is_terminal:
        handler: logging.Handler = RichHandler(console=console, show_time=False, show_path=False, show_level=False)
    else:
        handler = logging.StreamHandler()
    # Beam says so with every model, whatever the platform; nothing here depends on it.
    handler.addFilter(lambda record: not record.getMessage().startswith("Resource module is not available"))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    for noisy in ("apache_beam", "google", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
