"""The files that a pattern of models names: listed, and vetted with the progress shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from launch.command_line import CommandRefused
from launch.waiting import asking
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile, newest_first
from models.survey import Surveyed, survey
from models.vetting import Vetter


def list_newest_first(storage: Storage, patterns: Sequence[str], signed: bool = False) -> list[StoredFile]:
    """The files of a pattern, newest first.

    Args:
        storage: where they are.
        patterns: of which there should be one: a shell makes several of one without quotes.
        signed: see `list_models`.

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
        return newest_first(list_models(storage, pattern, signed))


def survey_with_progress(console: Console, files: Sequence[StoredFile], vetter: Vetter) -> list[Surveyed]:
    """`models.survey.survey`, with its progress shown."""
    columns = (TextColumn("vetting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        if not console.is_terminal and files:
            print(f"vetting {len(files)} file{'s' * (len(files) > 1)} …", file=sys.stderr)
        task = progress.add_task("", total=len(files))
        return survey(files, vetter, lambda: progress.advance(task))
