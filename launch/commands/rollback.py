"""`hotswap rollback`: an earlier model goes live again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.model_arguments import Pattern, with_registry_flags
from launch.model_files import list_newest_first, survey_with_progress
from launch.printing import PlainConsole, say
from launch.registries import lists_signed, registry_of, without_registry
from launch.waiting import working
from models.artefacts import Vetted
from models.catalogue import live_one
from models.known import Known, known_of, roll_back
from models.storage import StoredFile
from models.survey import Surveyed, look_at
from models.vetting import Vetter
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
@with_registry_flags
def rollback(
    pattern: Pattern,
    to: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A file name, card name, model_id or digest; else the one before the live."),
    ] = None,
    *,
    job: Mapping[str, Any],
) -> int:
    """Makes an earlier valid model the newest again; jobs follow at their next look.

    With --registry nothing is vetted: every reader of the pattern is told at once, and who did it.

    The last line of standard output is the model_id that will be live.
    """
    storage, stderr = any_storage(), PlainConsole(stderr=True)
    files = list_newest_first(storage, pattern, signed=lists_signed(job))
    if not files:
        raise CommandFailed(f"no file matches {pattern[0]}")
    if job["registry"] is not None:
        registry = registry_of(storage, pattern[0], job)
        known = known_of(registry, files)
        target = _known(known, to)
        if target is known.live:
            say("it is live already", stderr=True)
        roll_back(registry, storage, target, known)
        say(target.model_id)
        return OK
    with vetting(storage, **without_registry(job)) as vetter:
        target = _named(stderr, files, vetter, to) if to else _before_the_live_one(stderr, files, vetter)
    if target.file.uri == files[0].uri:
        say("it is the newest already", stderr=True)
    else:
        storage.make_newest(target.file, above=files[0].modified)
        newest = list_newest_first(storage, pattern)[:1]
        if newest and newest[0].uri != target.file.uri:
            say(f"note: {newest[0].uri} is newer still, and goes live instead if it is valid", stderr=True)
    say(target.model_id)
    return OK


def _before_the_live_one(console: Console, files: Sequence[StoredFile], vetter: Vetter) -> Surveyed:
    """The second newest valid file; the others are not looked at."""
    valid: list[Surveyed] = []
    for file in files:
        with working(console, f"vetting {file.uri}"):
            each = look_at(file, vetter)
        if each is not None and isinstance(each.verdict, Vetted):
            valid.append(each)
        if len(valid) == 2:
            return valid[1]
    live = f"{valid[0].file.uri} is the only valid one" if valid else "none is valid"
    raise CommandFailed(f"there is no earlier valid model to go back to: {live}")


def _known(known: Known, name: str | None) -> Surveyed:
    """The newest valid file that `name` names, or the newest before the live one, as a registry knows them."""
    valid = [each for each in known.files if each.accepted is not None and each.file.version]
    if name is not None:
        valid = [each for each in valid if each.answers_to(name)]
        if not valid:
            raise CommandRefused(f"--to {name}: no file that the registry calls valid is so called; see hotswap models")
        return valid[0]
    before = valid[valid.index(known.live) + 1 :] if known.live in valid else valid
    if not before:
        raise CommandFailed("there is no earlier valid model to go back to that the registry knows of")
    return before[0]


def _named(console: Console, files: Sequence[StoredFile], vetter: Vetter, name: str) -> Surveyed:
    """The newest valid file that `name` names."""
    called = [file for file in files if Surveyed(file, None).is_called(name)]
    candidates = [each for each in survey_with_progress(console, called or files, vetter) if each.answers_to(name)]
    if not candidates:
        raise CommandRefused(f"--to {name}: no file of the pattern, and no card, model_id or digest is so called")
    target = live_one(candidates)
    if target is None:
        problem = candidates[0].verdict or candidates[0].trouble
        raise CommandFailed(f"{candidates[0].file.uri} cannot be served: {problem}")
    return target
