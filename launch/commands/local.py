"""`hotswap local`: the whole job on this machine, on a folder of images and a pattern of models."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.logging import RichHandler

from beam_pipeline.books import details_of
from beam_pipeline.running import LocalRun
from beam_pipeline.source import pubsub_source
from beam_pipeline.stopping import stop_requests
from launch.command_line import CommandFailed, CommandRefused
from launch.job_flags import with_job_flags
from launch.local.image_folder import ImageFolder, LeftOut
from launch.local.job_options import ANY_SUBSCRIPTION, CALLED, TAKEN_OVER, checked_options
from launch.local.output_files import ready_file
from launch.local.progress import progress
from launch.local.pubsub import FEEDBACK_TOPIC, local_pubsub
from launch.local.result_stream import Pace, follow
from launch.local.session import Session
from launch.local.shared_console import SharedConsole
from models.confinement.proving import require_confinement
from models.memory import keep_freed_memory
from models.printable import logger

_LOGGER = logger(__name__)

app = typer.Typer(add_completion=False)


@app.command()
@with_job_flags(TAKEN_OVER, CALLED, {"model_poll_seconds": 1.0})
def local(
    images: Annotated[Path, typer.Option(help="Folder of images; those that land there later count too.")],
    output: Annotated[str, typer.Option(help="JSON Lines file that results are appended to; - is standard output.")],
    exit_when_idle: Annotated[
        float | None, typer.Option(help="End once this many seconds have passed with nothing in flight.")
    ] = None,
    *,
    job: Mapping[str, Any],
) -> int:
    """Runs the job on the DirectRunner, fed by an embedded Pub/Sub emulator or by PUBSUB_EMULATOR_HOST."""
    keep_freed_memory()  # before a thread makes a place of its own for it
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
    options, checked = checked_options({"input_subscription": ANY_SUBSCRIPTION, "output_path": output} | dict(job))
    if checked.require_confinement:
        require_confinement()
    letters, events = job["dead_letter_path"], job["model_events_path"]
    files = [name for name in (output, letters, events, job["mask_path"]) if name and name != "-"]
    letters_path, events_path = (ready_file(name) if name else None for name in (letters, events))
    checked = replace(checked, dead_letter_path=letters_path, model_events_path=events_path)
    if not checked.image_prefix:
        _LOGGER.warning("no --image-prefix: every path that a message names is read, if you may read it")
    with (
        stop_requests() as stop_requested,
        local_pubsub(feedback=checked.trials.policy is not None) as pubsub,
        follow(output if output == "-" else ready_file(output), pace) as output_path,
    ):
        checked = replace(checked, input_subscription=pubsub.subscription, output_path=output_path)
        try:
            local_run = LocalRun(options, checked, pubsub_source(checked), pubsub.feedback)
        except OSError as error:
            raise CommandRefused(f"compiled models cannot be kept: {error}") from error
        try:
            local_run.start()
            console.print(f"ready: {pubsub.ready}", highlight=False, soft_wrap=True)
            if pubsub.feedback is not None:
                console.print(f"feedback: topic={FEEDBACK_TOPIC}", highlight=False, soft_wrap=True)
            left_out = LeftOut(models, files)
            session = Session(local_run, pubsub, pace, ImageFolder(images, pubsub.publish, left_out), models)
            with progress(pace, console, panel) as report:
                books = session.go(stop_requested, exit_when_idle, report)
        finally:
            details = details_of(local_run.counts())
            local_run.close()
    console.print(f"books: {books}", highlight=False, soft_wrap=True)
    for what, told in details.items():
        console.print(f"{what}: {told}", highlight=False, soft_wrap=True, markup=False)
    if local_run.failure is not None:
        raise CommandFailed(f"the job failed: {local_run.failure_line()}")
    if pace.trouble:
        raise CommandFailed(f"the job failed: {pace.trouble}")
    return 1 if books.open else 0


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
