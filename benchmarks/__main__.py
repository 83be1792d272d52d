"""`python -m benchmarks`: measures this job against Beam's documented way and against the bare machine."""

from __future__ import annotations

import shutil
import sys
import time
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import streaming, throughput
from benchmarks.images import DIGITS, KINDS, MEDIUM, make_images
from benchmarks.model_files import LARGE_MODELS, SERVER_MODELS, SMALL_MODELS, make_models
from benchmarks.picture import draw
from benchmarks.report import Measured, print_tables, write_json
from benchmarks.server import measure
from benchmarks.server.clients import ClientsFailed
from benchmarks.server.environments import PeerMissing
from benchmarks.server.measure import ServerReport, measure_server
from benchmarks.stream_run import StreamFailed
from benchmarks.streaming import StreamReport, measure_stream
from benchmarks.throughput import ThroughputReport, measure_throughput
from launch.command_line import run

_WIDTH = 150
"""Columns of what is written to a file, where nobody knows how wide it will be shown."""

app = typer.Typer(add_completion=False)


class Part(StrEnum):
    """What can be measured by itself."""

    THROUGHPUT = "throughput"
    STREAM = "stream"
    SERVER = "server"


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Rougher numbers, within five minutes on two cores.")] = False,
    only: Annotated[Part | None, typer.Option(help="Measure nothing else.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the numbers, the pictures, and what is measured with.")] = Path(
        ".bench"
    ),
) -> int:
    """Compares the stock way, this job and the bare loop, and the server with others; says which targets are reached.

    For `--only server` MLServer and Triton get environments of their own, `.venv.mlserver` and `.venv.triton`; what
    cannot be had is left out. Answers exit code 1 where a stream or the server could not be measured; what could be is
    written all the same.
    """
    out = out.resolve()
    began = time.monotonic()
    console = Console(stderr=True, highlight=False)
    out.mkdir(parents=True, exist_ok=True)
    console.print("images and models to measure with")
    kinds = (MEDIUM,) if only is Part.SERVER else KINDS
    images = {kind.name: make_images(kind, out / "images") for kind in kinds}
    names = SERVER_MODELS if only is Part.SERVER else SMALL_MODELS if quick else SMALL_MODELS | LARGE_MODELS
    models = make_models(out / "models", Path(images[MEDIUM.name][0]).parent, names)
    scratch = out / "run"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    bounded: ThroughputReport | None = None
    if only in (None, Part.THROUGHPUT):
        bounded_extent = throughput.QUICK if quick else throughput.FULL
        bounded = measure_throughput(bounded_extent, models, images, scratch, console.print)
    streams: dict[str, dict[str, StreamReport]] = {}
    failed = False
    if only in (None, Part.STREAM):
        for kind, way in product((MEDIUM,) if quick else (MEDIUM, DIGITS), streaming.GUESSES):
            extent = streaming.QUICK if quick else streaming.FULL
            folder = scratch / f"{kind.name}-{way.replace(', ', '-')}"
            try:
                report = measure_stream(way, extent, kind, images[kind.name], models, folder, console.print)
            except StreamFailed as error:
                failed = True
                console.print(f"[red]left out:[/red] {error}")
                continue
            streams.setdefault(kind.name, {})[way] = report
    served: ServerReport | None = None
    if only in (None, Part.SERVER):
        server_extent = measure.QUICK if quick else measure.FULL
        try:
            served = measure_server(server_extent, models, images[MEDIUM.name], scratch, console.print)
        except (PeerMissing, ClientsFailed) as error:
            failed = True
            console.print(f"[red]left out:[/red] {error}")
    measured = Measured(bounded, streams, served, time.monotonic() - began, quick)
    write_json(measured, out / "bench.json")
    written = [out / "bench.json"]
    for name, ways in streams.items():
        written += draw(ways, out / f"swap-{name}")
    print_tables(measured, Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH))
    console.print(f"{measured.seconds:.0f} s; written: {', '.join(map(str, written))}")
    return 1 if failed else 0


def main() -> None:
    """The bench, as a command."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
