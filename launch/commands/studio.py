"""`hotswap studio`: the page on which one draws digits, corrects their answers, and watches the model learn."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from beam_pipeline.option_table import JobOptions, as_flags
from databases.addresses import database_url
from databases.errors import StoreUnusable
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.job_flags import OF_TRIALS, with_job_flags
from launch.named_path import named_path
from launch.printing import say
from launch.pubsub_emulator import EmulatorError, PubSubEmulator
from launch.server_log import log_to_standard_error
from models.errors import one_line
from serving.access import Access, AccessRefused, read_access
from studio.places import Places
from transforms.pubsub import EMULATOR_VARIABLE

app = typer.Typer(add_completion=False)

# What the extra `studio` brings, by the names under which they are imported.
_NEEDED = {
    "kedro": "Kedro",
    "sklearn": "scikit-learn",
    "sse_starlette": "sse-starlette",
    "pyarrow": "PyArrow",
}
_OF_TRIALS = (*OF_TRIALS, "trial_max_accuracy_loss")
_PROJECT = "projects/hotswap-studio"
_File = Path | None


@app.command(name="studio")
@with_job_flags(_OF_TRIALS)
def run_studio(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8700,
    folder: Annotated[
        Path | None,
        typer.Option(
            parser=named_path,
            metavar="DIR",
            help="Where the studio keeps what it keeps (~/.local/share/hotswap/studio, or XDG's).",
        ),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            parser=named_path, metavar="DIR", help="Where its stream looks for models (models in the folder)."
        ),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where corrections are kept: a file (studio.db in the folder), sqlite:///FILE, or "
            "postgresql://HOST/NAME.",
        ),
    ] = None,
    retrain_after: Annotated[
        int, typer.Option(min=1, help="Corrections after which the model is retrained by itself.")
    ] = 10,
    token_file: Annotated[
        _File,
        typer.Option(
            parser=named_path, metavar="FILE", help="Tokens, one a line; whoever opens the page must give one of them."
        ),
    ] = None,
    tls_cert: Annotated[
        _File, typer.Option(parser=named_path, metavar="FILE", help="The page's certificate, in PEM.")
    ] = None,
    tls_key: Annotated[_File, typer.Option(parser=named_path, metavar="FILE", help="Its private key, in PEM.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others in without TLS or tokens; for closed networks alone.")
    ] = False,
    *,
    job: Mapping[str, Any],
) -> int:
    """Draw a digit, see what the live model says, correct it, and watch the next model take over.

    It starts the stream, with a Pub/Sub emulator of its own unless PUBSUB_EMULATOR_HOST names one, the database and the
    retraining. SIGTERM or Ctrl-C finishes what is under way, and ends; a second one ends at once.
    """
    _require_installed()
    log_to_standard_error()
    access = _access(host, tls_cert, tls_key, token_file, insecure)
    places = _places(folder, models)
    kept_in = str(places.database) if database is None else database
    _require_address(kept_in)
    # Not before it is known that they are installed.
    from studio.alone import FolderTaken
    from studio.server import StudioLost, serve
    from studio.settings import StudioConfig
    from studio.stream.config import Topics

    # Studios of several folders may share an emulator.
    of_folder = hashlib.sha256(os.fsencode(places.root)).hexdigest()[:8]
    topics = Topics(
        images=f"{_PROJECT}/topics/images-{of_folder}",
        subscription=f"{_PROJECT}/subscriptions/images-{of_folder}",
        results=f"{_PROJECT}/topics/results-{of_folder}",
        dead_letters=f"{_PROJECT}/topics/dead-letters-{of_folder}",
        model_events=f"{_PROJECT}/topics/model-events-{of_folder}",
        labels=f"{_PROJECT}/topics/labels-{of_folder}",
        labels_subscription=f"{_PROJECT}/subscriptions/labels-{of_folder}",
    )
    terms = JobOptions(model_pattern=places.pattern, feedback_subscription=topics.labels_subscription, **job).trials
    options = tuple(as_flags(job)) if terms.policy else ()
    config = StudioConfig(places, topics, kept_in, access, port, retrain_after, terms, options)

    def told(line: str) -> None:
        say(line, stderr=True)

    try:
        with _pubsub():
            asyncio.run(serve(config, told))
            # It is ending, and what is left takes no time: asked again now, it would end as if it was broken off.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
    except (FolderTaken, OSError) as error:
        raise CommandRefused(one_line(error)) from error
    except StoreUnusable as error:
        raise CommandRefused(str(error)) from error
    except StudioLost as error:
        raise CommandFailed(str(error)) from error
    return OK


def _require_installed() -> None:
    """Says in one line what is missing.

    Raises:
        CommandRefused: the extra is not installed.
    """
    missing = [shown for name, shown in _NEEDED.items() if find_spec(name) is None]
    if missing:
        raise CommandRefused(f'the page needs {" and ".join(missing)}: pip install "hotswap-inference[studio]"')


def _access(host: str, certificate: _File, key: _File, token_file: _File, insecure: bool) -> Access:
    try:
        access = read_access(host, certificate, key, None, token_file)
        if not insecure:
            access.require_closed(by_certificates=False)
    except AccessRefused as error:
        raise CommandRefused(str(error)) from error
    return access


def _places(folder: Path | None, models: Path | None) -> Places:
    """Where all lies, by full names: the stream is told them.

    Raises:
        CommandRefused: models cannot lie where they would.
    """
    root = (folder or Places.usual_root()).expanduser().absolute()
    places = Places(root, (models or root / "models").expanduser().absolute())
    try:
        places.check()
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    return places


def _require_address(database: str) -> None:
    try:
        database_url(database, "studio")
    except StoreUnusable as error:
        raise CommandRefused(str(error)) from error


@contextlib.contextmanager
def _pubsub() -> Iterator[None]:
    """Sees that Pub/Sub is there, for this process and all that it starts: as the environment says, or an emulator.

    Raises:
        CommandFailed: no emulator can be started.
    """
    if os.environ.get(EMULATOR_VARIABLE):
        yield
        return
    try:
        emulator = PubSubEmulator()
        emulator.start()
    except EmulatorError as error:
        raise CommandFailed(f"no Pub/Sub emulator can be started: {one_line(error)}") from error
    try:
        os.environ[EMULATOR_VARIABLE] = emulator.address
        yield
    finally:
        del os.environ[EMULATOR_VARIABLE]
        emulator.stop()
