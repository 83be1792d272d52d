"""What the verbs about models have in common: their arguments, and how a pattern of files is looked at."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from launch.command_line import CommandRefused
from launch.model_report import working
from models.artefacts import EngineChoice
from models.storage import Storage, StoredFile, newest_first
from models.storage.schemes import AnyStorage
from models.survey import Surveyed, survey
from models.vetting import Vetter

Engine = Annotated[EngineChoice, typer.Option(help="What may execute the model; the job's own option.")]
LargestBatch = Annotated[int, typer.Option("--max-batch-size", min=1, max=4096, help="Probed up to; the job's option.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: JSON on standard output.")]
Pattern = Annotated[
    list[str], typer.Argument(metavar="PATTERN", help="In quotes: 'models/*.h5', 'gs://b/models/*.h5'.")
]


def any_storage() -> AnyStorage:
    """Everything that the job reads; Beam is imported where a scheme other than `gs://` asks for it."""

    def beam() -> Storage:
        from transforms.beam_storage import BeamStorage

        return BeamStorage()

    return AnyStorage(beam)


def list_newest_first(storage: Storage, patterns: Sequence[str]) -> list[StoredFile]:
    """The files of a pattern, newest first.

    Args:
        storage: where they are.
        patterns: of which there should be one: a shell makes several of one without quotes.

    Raises:
        CommandRefused: there is not one pattern.
        StorageUnavailable: the storage gave no answer.
    """
    if len(patterns) != 1:
        folder = patterns[0].rpartition("/")[0]
        quoted = f"{folder}/*.h5" if folder else "*.h5"
        raise CommandRefused(f"{len(patterns)} files are given; quote the pattern against the shell, e.g. '{quoted}'")
    (pattern,) = patterns
    if pattern.endswith("/") or ("://" not in pattern and Path(pattern).is_dir()):
        raise CommandRefused(f"{pattern} is a folder; give a pattern in quotes, e.g. '{pattern.rstrip('/')}/*.h5'")
    with asking(pattern):
        return newest_first(storage.list(pattern))


def surveyed(console: Console, files: Sequence[StoredFile], vetter: Vetter) -> list[Surveyed]:
    """`models.survey.survey`, with its progress shown."""
    columns = (TextColumn("vetting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        if not console.is_terminal and files:
            print(f"vetting {len(files)} file{'s' * (len(files) > 1)} …", file=sys.stderr)
        task = progress.add_task("", total=len(files))
        return survey(files, vetter, lambda: progress.advance(task))


def asking(uri: str) -> AbstractContextManager[None]:
    """Says that a bucket is being asked, which may take seconds where it does not answer; a disk answers at once."""
    return working(Console(stderr=True), f"asking for {uri}") if "://" in uri else nullcontext()


def print_json(value: Any) -> None:
    """For scripts."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
