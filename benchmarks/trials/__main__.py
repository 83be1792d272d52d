"""`python -m benchmarks.trials`: what a trial costs the job that holds it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.images import DIGITS, MEDIUM, SMALL, make_images
from benchmarks.model_files import SMALL_MODELS, make_models
from benchmarks.report import machine
from benchmarks.stream_run import StreamFailed
from benchmarks.targets import Target
from benchmarks.trials.stream import POLICIES, TrialStream, measure_trial_stream
from benchmarks.trials.throughput import CANARY, SHADOW, WAYS, TrialThroughput, measure_trial_throughput
from launch.command_line import run

_SUBJECTS = ((SMALL, 960), (MEDIUM, 576), (DIGITS, 9000))
"""Kinds of image, and how many in a run."""
_MOST = {CANARY: 0.02, SHADOW: 0.13}
"""Of throughput, that a trial may take."""
_MOST_P99 = 1.1
_WIDTH = 120

app = typer.Typer(add_completion=False)


class Part(StrEnum):
    """What can be measured by itself."""

    THROUGHPUT = "throughput"
    STREAM = "stream"


@app.command()
def trials(
    rounds: Annotated[int, typer.Option(help="Runs of each way, which take turns.", min=2)] = 21,
    streams: Annotated[int, typer.Option(help="Streams of each policy, with two trials each.", min=1)] = 2,
    seconds: Annotated[float, typer.Option(help="Of quiet, of each beginning and of each end.", min=2)] = 15.0,
    only: Annotated[Part | None, typer.Option(help="Measure nothing else.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the numbers, and what is measured with.")] = Path(".bench"),
) -> int:
    """Compares the job without a trial, with a canary of 5 % and with a shadow of 10 %; 1 where a stream failed.

    Half an hour on two cores; let nothing else run meanwhile.
    """
    out = out.resolve()
    console = Console(stderr=True, highlight=False)
    console.print("images and models to measure with")
    images = {kind.name: make_images(kind, out / "images") for kind in (SMALL, MEDIUM, DIGITS)}
    models = make_models(out / "models", Path(images[MEDIUM.name][0]).parent, SMALL_MODELS)
    scratch = out / "trials"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    costs: list[TrialThroughput] = []
    if only in (None, Part.THROUGHPUT):
        for kind, count in _SUBJECTS:
            subject = f"{kind.model}, {kind.name}" if kind is not DIGITS else kind.name
            pair = models[f"{kind.model}_a"], models[f"{kind.model}_b"]
            folder = scratch / kind.name
            costs.append(
                measure_trial_throughput(subject, pair, images[kind.name], count, rounds, folder, console.print)
            )
    told: list[TrialStream] = []
    failed = False
    if only in (None, Part.STREAM):
        for policy in POLICIES:
            try:
                told.append(
                    measure_trial_stream(
                        policy, MEDIUM, images[MEDIUM.name], models, seconds, streams, scratch, console.print
                    )
                )
            except StreamFailed as error:
                failed = True
                console.print(f"[red]left out:[/red] {error}")
    targets = list(_targets(costs, told))
    written = {
        "machine": machine(),
        "throughput": [each.to_json() for each in costs],
        "streams": [each.to_json() for each in told],
        "targets": [asdict(target) | {"met": target.met} for target in targets],
    }
    (out / "trials.json").write_text(json.dumps(written, indent=1))
    _print(costs, told, targets, Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH))
    return 1 if failed else 0


def _targets(costs: Sequence[TrialThroughput], streams: Sequence[TrialStream]) -> Iterator[Target]:
    for each in costs:
        for way, most in _MOST.items():
            yield Target(f"{each.subject}: throughput that a {way.name} takes", each.cost(way).median, most, "≤")
    for stream in streams:
        for when in ("beginning", "ending"):
            yield Target(f"{stream.policy}: p99 at its {when} ÷ in quiet", stream.ratio(when), _MOST_P99, "≤")


def _print(
    costs: Sequence[TrialThroughput], streams: Sequence[TrialStream], targets: Sequence[Target], console: Console
) -> None:
    table = Table("images", "way", "images/s", "tried", "takes of throughput", "CPU ÷ without", title="throughput")
    for each in costs:
        for way in WAYS:
            cost = each.cost(way)
            taken = f"{cost.median:.1%} ({cost.low:.1%} to {cost.high:.1%})" if way.mode else ""
            cpu = f"{each.cpu_ratio(way):.3f}" if way.mode else ""
            table.add_row(each.subject, way.name, f"{each.rate(way):.1f}", str(each.tried[way.name]), taken, cpu)
    if costs:
        console.print(table)
    latency = Table("trial", "images/s", "p99 in quiet, s", "÷ at its beginning", "÷ at its end", title="a stream")
    for stream in streams:
        quiet = sorted(each.quiet for each in stream.moments)
        spans = (
            f"{stream.ratio(when):.2f} ({min(stream.ratios(when)):.2f} to {max(stream.ratios(when)):.2f})"
            for when in ("beginning", "ending")
        )
        latency.add_row(stream.policy, f"{stream.rate:.1f}", f"{quiet[0]:.2f} to {quiet[-1]:.2f}", *spans)
    if streams:
        console.print(latency)
    reached = Table("target", "reached", "wanted", "met")
    for target in targets:
        reached.add_row(
            target.measure, f"{target.reached:.3f}", f"{target.sense} {target.wanted}", "yes" if target.met else "no"
        )
    console.print(reached)


def main() -> None:
    """The measurement, as a command."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
