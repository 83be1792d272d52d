"""The files that a pattern of models names: listed, and vetted with the progress shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from launch.command_line import CommandRefused
from launch.waiting import asking
from models.model_files import MODEL_SUFFIXES
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile, newest_first
from models.storage.errors import StorageUnavailable
from models.survey import Surveyed, survey
from models.vetting import Vetter


def list_newest_first(storage: Storage, patterns: Sequence[str], signed: bool = False) -> list[StoredFile]:
    """The files of a pattern, newest first.

    Args:
        storage: where they are.
        patterns: see `one_pattern`.
        signed: see `list_models`.

    Raises:
        CommandRefused: see `one_pattern`.
        StorageUnavailable: the storage gave no answer.
    """
    pattern = one_pattern(patterns)
    with asking(pattern):
        return newest_first(list_models(storage, pattern, signed))


def one_pattern(patterns: Sequence[str]) -> str:
    """The pattern that was typed.

    Args:
        patterns: of which there should be one: a shell makes several of one without quotes.

    Raises:
        CommandRefused: there is not one, or it is a folder.
    """
    if len(patterns) != 1:
        folder = patterns[0].rpartition("/")[0]
        quoted = f"{folder}/*.h5" if folder else "*.h5"
        raise CommandRefused(f"{len(patterns)} files are given; quote the pattern against the shell, e.g. '{quoted}'")
    (pattern,) = patterns
    if pattern.endswith("/") or ("://" not in pattern and Path(pattern).is_dir()):
        raise CommandRefused(f"{pattern} is a folder; give a pattern in quotes, e.g. '{pattern.rstrip('/')}/*.h5'")
    return pattern


def survey_with_progress(console: Console, files: Sequence[StoredFile], vetter: Vetter) -> list[Surveyed]:
    """`models.survey.survey`, with its progress shown."""
    columns = (TextColumn("vetting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        if not console.is_terminal and files:
            print(f"vetting {len(files)} file{'s' * (len(files) > 1)} …", file=sys.stderr)
        task = progress.add_task("", total=len(files))
        return survey(files, vetter, lambda: progress.advance(task))


def find_models(storage: Storage, model: str, every: bool) -> list[str]:
    """The addresses of the models that devices are to get, the newest first.

    Args:
        storage: where they are.
        model: a file, or a folder or pattern of them.
        every: whether all are asked for, and not the newest alone.

    Raises:
        CommandRefused: there is none, or one is named where all are asked for.
    """
    is_folder = model.endswith("/") or ("://" not in model and Path(model).is_dir())
    if not is_folder and not any(character in model for character in "*?["):
        if every:
            raise CommandRefused(f"{model} is no folder; --all takes a folder, or a pattern in quotes")
        return [model]
    pattern = f"{model.rstrip('/')}/*" if is_folder else model
    try:
        with asking(pattern):
            files = newest_first(list_models(storage, pattern))
    except StorageUnavailable as error:
        raise CommandRefused(str(error)) from error
    found = [file.uri for file in files if not is_folder or PurePosixPath(file.uri).suffix.lower() in MODEL_SUFFIXES]
    if not found:
        raise CommandRefused(f"there is no model file in {model}")
    return found
