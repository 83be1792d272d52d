"""`hotswap serve`: a server on the model folder, which answers whoever asks by the live model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from beam_pipeline.option_table import JobOptions
from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.job_flags import OF_READERS, OF_TRIALS, with_job_flags
from launch.printing import say
from launch.server_log import log_to_standard_error
from models.confinement.proving import require_confinement
from models.signatures.trusted import read_trusted
from models.storage.schemes import AnyStorage
from serving.access import AccessRefused, read_access
from serving.admission import Room
from serving.core import Core, CoreConfig
from serving.server import ServerConfig, serve
from serving.telemetry.observing import Observing, ObservingRefused

app = typer.Typer(add_completion=False)

_CALLED = {"model_pattern": "models", "model_poll_seconds": "poll_seconds"}
_WORDS = {
    "max_batch_wait_ms": "milliseconds that a request waits for others while nothing else is done",
    "max_image_bytes": "most bytes of an encoded image; requests with a larger one are refused",
    "max_image_pixels": "most pixels of an image; requests with a larger one are refused",
    "registry": "where what is known of models is kept for all who read the pattern: verdicts, compiled forms, which "
    "is live (default: a folder in the cache)",
}
"""What is so of a server, where the job's words are of a stream."""
_File = Path | None
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@app.command(name="serve")
@with_job_flags((*OF_READERS, *OF_TRIALS), _CALLED, {"model_poll_seconds": 1.0}, _WORDS)
def serve_models(
    name: Annotated[
        str, typer.Option(help="Under which clients know whichever model is live: letters, digits, . _ -")
    ] = "default",
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    grpc_port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8500,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8501,
    queue_images: Annotated[
        int, typer.Option(min=1, help="Most images under way at once; who comes then is refused.")
    ] = Room().images,
    request_seconds: Annotated[float, typer.Option(min=0.001, help="Most seconds that a request may take.")] = 60.0,
    max_message_bytes: Annotated[int, typer.Option(min=1024, help="Most bytes of a request, packed and unpacked.")] = 64
    << 20,
    tls_cert: Annotated[_File, typer.Option(help="The server's certificate, in PEM.")] = None,
    tls_key: Annotated[_File, typer.Option(help="Its private key, in PEM.")] = None,
    tls_client_ca: Annotated[_File, typer.Option(help="Authority that clients' certificates must be of.")] = None,
    token_file: Annotated[_File, typer.Option(help="Tokens, one a line; clients must bear one.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others in without TLS or tokens; for closed networks alone.")
    ] = False,
    drain_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds to answer on after SIGTERM or Ctrl-C, while not ready any more.")
    ] = 0.0,
    access_log: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a JSON line for each request there; - is standard output.")
    ] = None,
    trace_endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Send traces there by OTLP over gRPC: http://HOST:4317.")
    ] = None,
    trace_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of requests that are traced, where their client does not decide.")
    ] = 1.0,
    *,
    job: Mapping[str, Any],
) -> int:
    """Answers over gRPC and HTTP, in TensorFlow Serving's and the Open Inference protocols.

    Every answer names the exact bytes that made it. SIGTERM or Ctrl-C finishes what is under way, and ends; a second
    one ends at once.
    """
    log_to_standard_error()
    if not _NAME.fullmatch(name):
        raise CommandRefused(
            f"--name {name[:40]!r} will be in paths: a letter or digit, then letters, digits, '.', '_' and '-', "
            "128 at most"
        )
    try:
        access = read_access(host, tls_cert, tls_key, tls_client_ca, token_file)
        if not insecure:
            access.require_closed()
        observing = Observing(access_log, trace_endpoint, trace_share)
        observing.require_possible()
    except (AccessRefused, ObservingRefused) as error:
        raise CommandRefused(str(error)) from error
    if job["require_confinement"]:
        require_confinement()
    storage = any_storage()
    options = JobOptions(**{**job, "trusted_key": read_trusted(storage, job["trusted_key"] or ())})
    try:
        limits = options.decode_limits
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    config = CoreConfig(
        options.serving,
        name,
        options.max_batch_wait_ms / 1000,
        Room(queue_images, max(Room().size, 2 * max_message_bytes)),
        request_seconds,
        limits,
        options.exact_decode,
    )
    server = ServerConfig(
        access,
        grpc_port,
        http_port,
        max_message_bytes,
        max(64, 2 * queue_images),
        drain_seconds,
        observing=observing,
    )
    try:
        asyncio.run(serve(lambda: _begun(config, storage), server, lambda line: say(line, stderr=True)))
    except OSError as error:
        raise CommandFailed(str(error)) from error
    return OK


def _begun(config: CoreConfig, storage: AnyStorage) -> Core:
    say(f"looking for a model that matches {config.models.model_pattern} …", stderr=True)
    try:
        return Core(config, storage)
    except OSError as error:
        raise CommandRefused(f"compiled models cannot be kept: {error}") from error
