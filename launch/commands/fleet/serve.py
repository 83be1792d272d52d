"""`hotswap fleet serve`: follows the live model, and tells devices what to run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from beam_pipeline.option_table import JobOptions
from fleet.assignments import DEFAULT_COMPONENT
from fleet.bringing import Bringing, BringingConfig
from fleet.packing import Recipe
from fleet.public_address import read_public_url
from fleet.server import ServerConfig, ServerLost, serve
from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.fleet_arguments import Database, Shelf, database_file, keep_twins, open_fleet, require_reachable, shelf_of
from launch.job_flags import with_job_flags
from launch.making_options import Making, with_making_flags
from launch.printing import say
from launch.rollout_options import ALL_AT_ONCE, HALT_PERCENT, Halt, Pause, Shares, plan_of
from launch.server_log import log_to_standard_error
from models.confinement.proving import require_confinement
from models.errors import one_line
from models.signatures.trusted import read_trusted
from serving.access import AccessRefused, read_access

app = typer.Typer(add_completion=False)

_FLAGS = (
    "model_pattern",
    "model_poll_seconds",
    "max_batch_size",
    "max_values",
    "require_confinement",
    "trusted_key",
    "registry",
)
_CALLED = {"model_pattern": "models", "model_poll_seconds": "poll_seconds"}
_WORDS = {
    "registry": "where what is known of models is kept for all who read the pattern: verdicts, compiled forms, which "
    "is live (default: a folder in the cache)",
    "max_batch_size": "most images in one call of the model, for which it is vetted",
}
_File = Path | None


@app.command(name="serve")
@with_job_flags(_FLAGS, _CALLED, {"model_poll_seconds": 1.0}, _WORDS)
@with_making_flags
def serve_fleet(
    database: Database,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8600,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where devices reach this server; else where each says it did.")
    ] = None,
    shelf: Shelf = None,
    twins: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="What keeps twins, from now on: database, or an IoT hub: azure, with its connection "
            "string in IOTHUB_CONNECTION_STRING, or azure:FILE.",
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option(
            "--component", metavar="NAME", help="What the component of the live model is called, whichever that is."
        ),
    ] = DEFAULT_COMPONENT,
    every: Annotated[
        bool,
        typer.Option("--all/--latest", help="Beside the live model each valid one of another name, too; or it alone."),
    ] = False,
    rollout: Shares = ALL_AT_ONCE,
    pause: Pause = None,
    halt: Halt = HALT_PERCENT,
    tls_cert: Annotated[_File, typer.Option(help="The server's certificate, in PEM.")] = None,
    tls_key: Annotated[_File, typer.Option(help="Its private key, in PEM.")] = None,
    token_file: Annotated[
        _File, typer.Option(help="Operators' tokens, one a line; whoever reads /metrics must bear one.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others in without TLS; for closed networks, or behind a proxy.")
    ] = False,
    *,
    making: Making,
    job: Mapping[str, Any],
) -> int:
    """Packages each model that goes live, brings it to devices in steps, and tells them where it is.

    SIGTERM or Ctrl-C finishes what is under way, and ends; a second one ends at once.
    """
    log_to_standard_error()
    try:
        access = read_access(host, tls_cert, tls_key, None, token_file)
        if not insecure:
            access.require_encrypted()
        reached_at = None if public_url is None else read_public_url(public_url)
    except (AccessRefused, ValueError) as error:
        raise CommandRefused(str(error)) from error
    plan = plan_of(rollout, pause, halt)
    if job["require_confinement"]:
        require_confinement()
    storage = any_storage()
    trusted = read_trusted(storage, job["trusted_key"] or ())
    keep_twins(database, twins, reached_at)
    with open_fleet(database, make=True) as fleet:
        place = shelf_of(fleet, database, shelf)
        require_reachable(fleet, place)
    recipe = Recipe(place, making.engine, making.quantization, making.signer)
    # With a registry, verdicts are shared with jobs and servers, which vet for any engine; alone, what goes live is
    # what devices can run.
    vetted_for = "auto" if job["registry"] else making.engine
    models = JobOptions(**{**job, "trusted_key": trusted, "engine": vetted_for}).serving
    config = BringingConfig(models, recipe, name, every, plan)

    def told(line: str) -> None:
        say(line, stderr=True)

    def begin() -> Bringing:
        fleet = open_fleet(database)
        try:
            return Bringing(config, fleet, storage, told)
        except BaseException:
            fleet.close()
            raise

    server = ServerConfig(access, port, reached_at, None if "://" in place else Path(place), database_file(database))
    try:
        asyncio.run(serve(begin, server, told))
    except (OSError, ServerLost) as error:
        raise CommandFailed(one_line(error)) from error
    return OK
