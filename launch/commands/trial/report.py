"""`hotswap trial report`: all that is known of a trial, as one page for whoever must decide."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from launch.command_line import OK, CommandFailed, CommandRefused
from launch.model_arguments import Pattern
from launch.named_path import named_path
from launch.printing import PlainConsole, say
from launch.trial_arguments import registry_of_trials, with_trial_flags
from launch.trial_report.page import page_of, render
from launch.trial_report.thumbnails import thumbnail
from launch.waiting import working
from models.registry.registry import Registry
from models.trials.view import TrialView, ended_trials, trial_now, view_of_ended

app = typer.Typer(add_completion=False)


@app.command()
@with_trial_flags
def report(
    pattern: Pattern,
    output: Annotated[
        Path,
        typer.Option("--output", parser=named_path, metavar="FILE", help="The page; one that is there is replaced."),
    ] = Path("trial.html"),
    number: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of the trial; else the one under way, or the last that ended."),
    ] = None,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="Name the images, and do not read them to show them small.")
    ] = False,
    image_prefix: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Show only images below one of these; repeatable. As the job has it."),
    ] = None,
    *,
    job: Mapping[str, Any],
) -> int:
    """Writes one page without outside addresses: the verdict, the schedule, each limit with its interval, where both
    models agree, what they answer, how long they take, and the images that tell most.

    The images are read where their messages said that they are, as whoever calls this may read them.

    The last line of standard output is the file's name.
    """
    storage, registry = registry_of_trials(pattern, job)
    view = _view(registry, number)
    pictures = None if no_images else partial(thumbnail, storage, prefixes=tuple(image_prefix or ()))
    with working(PlainConsole(stderr=True), f"writing {output}"):
        text = render(page_of(view, pattern[0], str(job["registry"]), pictures))
        _write(output, text)
    say(str(output))
    return OK


def _view(registry: Registry, number: int | None) -> TrialView:
    now = trial_now(registry)
    if now is not None and number in (None, now.trial.number):
        return now
    ended = ended_trials(registry)
    if not ended:
        raise CommandFailed(f"{registry.address} knows of no trial for {registry.pattern}")
    found = next((each for each in ended if number in (None, each.trial.number)), None)
    if found is None:
        known = ", ".join(str(each.trial.number) for each in ended)
        raise CommandRefused(f"--number {number}: no such trial is remembered; {known} are")
    return view_of_ended(registry, found)


def _write(output: Path, text: str) -> None:
    """Whole or not at all."""
    beside = output.with_name(f".{output.name}.part")
    try:
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        beside.replace(output)
    except OSError as error:
        raise CommandFailed(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
