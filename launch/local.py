"""`python -m launch.local`: the whole job on this machine, on a folder of images and a pattern of models."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from beam_pipeline.options import OptionError, parse_options
from beam_pipeline.running import Books, LocalRun, stop_requests
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
    console = Console(stderr=True)
    _log_to(console)
    pace = Pace()
    with local_pubsub() as pubsub, _writable(output, pace) as output_path:
        argv = [
            f"--input_subscription={pubsub.subscription}",
            f"--model_pattern={models}",
            f"--model_poll_seconds={poll_seconds}",
            f"--output_path={output_path}",
            f"--engine={engine}",
            f"--max_batch_size={max_batch_size}",
            f"--max_batch_wait_ms={max_batch_wait_ms}",
            *(f"--image_prefix={prefix}" for prefix in image_prefix or []),
            *([f"--dead_letter_path={_file(dead_letters)}"] if dead_letters else []),
            *([f"--model_events_path={_file(model_events)}"] if model_events else []),
            *([f"--max_image_bytes={max_image_bytes}"] if max_image_bytes is not None else []),
            *([f"--max_image_pixels={max_image_pixels}"] if max_image_pixels is not None else []),
            *(["--exact_decode"] if exact_decode else []),
        ]
        try:
            options, job, _ = parse_options(argv)
        except OptionError as error:
            raise LaunchError(str(error).replace("_", "-")) from error
        with stop_requests() as stop_requested:
            run_here = LocalRun(options, job)
            try:
                console.print(f"ready: {pubsub.ready}", highlight=False, soft_wrap=True)
                session = _Session(run_here, pubsub, pace, images, models)
                with progress(pace, console) as report:
                    books = session.go(stop_requested, exit_when_idle, report)
            finally:
                run_here.close()
    console.print(f"books: {books}", highlight=False, soft_wrap=True)
    if run_here.failure is not None:
        raise LaunchFailed(f"the job failed: {run_here.failure}")
    return 1 if books.open else 0


class _Session:
    """One local run, from waiting for the first model to the last result."""

    def __init__(self, run_here: LocalRun, pubsub: LocalPubSub, pace: Pace, images: Path, models: str) -> None:
        self._run = run_here
        self._pubsub = pubsub
        self._pace = pace
        self._images = images
        self._models = LocalStorage(), models
        self._live_since = ("", time.monotonic())

    def go(self, stop_requested: Callable[[], bool], exit_when_idle: float | None, report: Report) -> Books:
        """Runs until asked to stop, until idle for so many seconds, or until the job fails; then finishes."""
        self._pubsub.hold()
        reading = False
        folder = ImageFolder(self._images, self._pubsub.publish, self._is_model)
        quiet_since, before = time.monotonic(), Books()
        try:
            while self._run.failure is None and not stop_requested():
                if not reading and self._run.serving.live.peek() is not None:
                    reading = True
                    self._pubsub.resume()
                books = self._run.books()
                if books != before or not self._nothing_in_flight(books, folder):
                    quiet_since, before = time.monotonic(), books
                if exit_when_idle is not None and time.monotonic() - quiet_since >= exit_when_idle:
                    break
                report(self._moment(books, reading))
                time.sleep(_LOOK_SECONDS)
        finally:
            folder.close()
        self._pubsub.hold()
        return self._run.drain(lambda books: self._pubsub.all_counted(books.messages_in))

    def _nothing_in_flight(self, books: Books, folder: ImageFolder) -> bool:
        return folder.settled and not books.open and self._pubsub.all_delivered(books.messages_in)

    def _is_model(self, path: str) -> bool:
        storage, pattern = self._models
        return "://" not in pattern and any(Path(path).samefile(file.uri) for file in storage.list(pattern))

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
            waiting_for="" if reading else f"waiting for a valid model that matches {self._models[1]}",
        )


@contextlib.contextmanager
def _writable(output: str, pace: Pace) -> Iterator[str]:
    with follow(output if output == "-" else _file(output), pace) as path:
        yield path


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
