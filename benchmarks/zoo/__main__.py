"""`python -m benchmarks.zoo`: every architecture of `keras.applications`, as people save it, through vetting."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.zoo.saving import architectures
from benchmarks.zoo.table import write_page
from benchmarks.zoo.visit import Kind, Visit, visit
from launch.command_line import FAILED, OK, CommandRefused, run

KINDS = (Kind("3", ".h5"), Kind("3", ".keras"), Kind("2", ".h5"))

app = typer.Typer(add_completion=False)


@app.command()
def zoo(
    only: Annotated[list[str] | None, typer.Option(help="An architecture; repeatable.")] = None,
    kinds: Annotated[str, typer.Option(help="How they are saved: 3.h5, 3.keras, 2.h5.")] = "3.h5,3.keras,2.h5",
    engine: Annotated[str, typer.Option(help="What may execute them.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where what is found is kept, a line a file.")] = Path(".bench/zoo.jsonl"),
    page: Annotated[Path | None, typer.Option(help="Write what is kept as a table.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Visit also what is known.")] = False,
) -> int:
    """Visits each file that is not known yet; answers 1 where one is refused or does not answer as in its framework."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    unknown = set(only or ()) - {name for version in ("2", "3") for name in architectures(version)}
    if unknown:
        raise CommandRefused(f"keras.applications has no {', '.join(sorted(unknown))}")
    out.parent.mkdir(parents=True, exist_ok=True)
    found = {} if again or not out.exists() else {_key(each): each for each in map(_read, out.read_text().splitlines())}
    for kind in (kind for kind in KINDS if f"{kind.version}{kind.suffix}" in kinds.split(",")):
        for architecture in architectures(kind.version):
            if (architecture, str(kind)) in found or (only and architecture not in only):
                continue
            visited = visit(architecture, kind, engine)  # type: ignore[arg-type]
            found[_key(visited)] = visited
            with out.open("a") as file:
                file.write(json.dumps(asdict(visited)) + "\n")
            console.print(_line(visited))
    if page is not None:
        write_page(page, list(found.values()))
    return OK if all(each.is_good for each in found.values()) else FAILED


def _key(visited: Visit) -> tuple[str, str]:
    return visited.architecture, visited.kind


def _read(line: str) -> Visit:
    return Visit(**json.loads(line))


def _line(visited: Visit) -> str:
    return (
        f"{visited.kind:14} {visited.architecture:18} {visited.verdict[:200]} {visited.engine} "
        f"{visited.vetting_seconds:.1f} s {visited.vetting_bytes >> 20:,} MiB of {visited.allowed_bytes >> 20:,}, "
        f"±{visited.difference:.0e}, {visited.batched * 1e3:.1f} ms, {visited.own_batched * 1e3:.1f} in its framework"
    )


if __name__ == "__main__":
    sys.exit(run(app))
