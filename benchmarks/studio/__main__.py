"""`python -m benchmarks.studio`: how soon the page answers, how soon it learns, and what fifty open pages do to it.

A studio is started as people start it, with a first model of its own; Debian's Chromium draws on it. All share this
machine.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.studio.chromium import chromium
from benchmarks.studio.measure import Crowd, Learning, Say, measure_crowd, measure_learning, measure_strokes, quantile
from benchmarks.studio.running import RunningStudio
from launch.command_line import run

app = typer.Typer(add_completion=False)


def stroke_rows(times: list[float]) -> dict[str, str]:
    """Of drawings on one page, in milliseconds."""
    return {f"stroke's end → answer on the page, p50, p99 of {len(times)}": _quantiles(times)}


def learning_rows(learning: Learning) -> dict[str, str]:
    """Of one correction."""
    told = f"{learning.seconds:.1f} s ({learning.meant} read as {learning.was}, then as {learning.now})"
    return {"correction → a new model answers": told}


def crowd_rows(crowd: Crowd) -> dict[str, str]:
    """Of many pages."""
    memory, drawn = crowd.memory, len(crowd.milliseconds)
    rows = {
        "pages, drawing once a second each, for": f"{crowd.pages} and 2 real ones, {crowd.seconds:.0f} s",
        "drawings, answers a second; lost": f"{drawn:,}, {drawn / crowd.seconds:.1f}; {len(crowd.lost)}",
        "sent → answered, p50, p99": _quantiles(crowd.milliseconds),
        "stroke's end → answer on the real pages, p50, p99": _quantiles(crowd.shown),
    }
    for name, of in {"the studio": memory.studio, "its stream, hosts too": memory.stream}.items():
        begin, end = memory.ends(of)
        rows[f"memory of {name}: begin, end"] = f"{begin:,.0f}, {end:,.0f} MiB ({memory.an_hour(of):+.1f} MiB an hour)"
    return rows


def _quantiles(times: list[float]) -> str:
    return f"{quantile(times, 50):,.0f}, {quantile(times, 99):,.0f} ms"


@app.command()
def studio(
    drawings: Annotated[int, typer.Option(min=0, help="On one page; 0 leaves this out.")] = 200,
    learning: Annotated[bool, typer.Option(help="Correct, retrain, and wait for the new model.")] = True,
    pages: Annotated[int, typer.Option(min=0, help="At once; 0 leaves this out.")] = 50,
    minutes: Annotated[float, typer.Option(min=0.2, help="For which these draw.")] = 10.0,
    folder: Annotated[Path | None, typer.Option(help="Of the studio; a temporary one unless given.")] = None,
) -> int:
    """Measures the studio's page with a real browser, all on this machine."""
    say = Console(stderr=True, highlight=False).print
    rows: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="hotswap-studio-") as scratch:
        place = folder or Path(scratch) / "studio"
        lost = _measure(place, drawings, learning, pages, 60 * minutes, rows, say)
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    Console(highlight=False).print(table)
    for line in lost[:5]:
        say(f"lost: {line}")
    return 1 if lost else 0


def _measure(
    folder: Path, drawings: int, learning: bool, pages: int, seconds: float, rows: dict[str, str], say: Say
) -> list[str]:
    """Fills the rows, tells each as soon as it is known, and returns what was lost."""

    def add(found: dict[str, str]) -> None:
        rows.update(found)
        for name, value in found.items():
            say(f"  {name}: {value}")

    with RunningStudio(folder, ("--retrain-after", "1000")) as running:
        say("a studio trains its first model")
        running.start()
        with chromium() as browser:
            if drawings:
                say(f"{drawings} drawings on one page")
                add(stroke_rows(measure_strokes(browser, running, drawings)))
            if learning:
                say("a correction, and a model that learns from it")
                add(learning_rows(measure_learning(browser, running)))
        if not pages:
            return []
        say(f"{pages} pages for {seconds:g} s")
        crowd = measure_crowd(running, pages, seconds)
        add(crowd_rows(crowd))
        return crowd.lost


if __name__ == "__main__":
    sys.exit(run(app))
