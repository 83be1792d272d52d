"""`hotswap models`: which files of a pattern are valid, and which is live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.model_arguments import AsJson, Pattern, with_registry_flags
from launch.model_files import list_newest_first, survey_with_progress
from launch.model_report import print_history, print_json, print_survey
from launch.printing import PlainConsole, say
from launch.registries import lists_signed, registry_of, without_registry
from models.catalogue import live_one
from models.known import history_as_json, known_of
from models.survey import Surveyed, survey_as_json
from models.tags import has_tags, read_tags
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
@with_registry_flags
def models(
    pattern: Pattern,
    as_json: AsJson = False,
    history: Annotated[
        bool, typer.Option("--history", help="With --registry: what was live from when to when, by whom and why.")
    ] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only models that have this tag; repeatable: all of them."),
    ] = None,
    *,
    job: Mapping[str, Any],
) -> int:
    """Lists the files of a pattern, newest first: which is live, which are valid, which are rejected and why.

    Vets what is not known yet; with --registry it only reads what the readers of the pattern know.
    """
    tags = read_tags(tag or ())
    if tags and history:
        raise CommandRefused("--tag does not go with --history, which tells of models by their bytes alone")
    storage, stderr = any_storage(), PlainConsole(stderr=True)
    files = list_newest_first(storage, pattern, signed=lists_signed(job))
    if job["registry"] is not None:
        known = known_of(registry_of(storage, pattern[0], job), files)
        if history:
            if not known.changes:
                raise CommandFailed(f"{job['registry']} knows of no model that was ever live for {pattern[0]}")
            print_json(history_as_json(known.changes)) if as_json else print_history(PlainConsole(), known.changes)
            return OK
        found, live = known.files, known.live
        if live is None:
            say(f"note: {job['registry']} knows of no model that was ever live for {pattern[0]}", stderr=True)
    else:
        with vetting(storage, **without_registry(job, *["--history"] * history)) as vetter:
            found = survey_with_progress(stderr, files, vetter)
        live = live_one(found)
    shown = _tagged(found, tags)
    if as_json:
        print_json(survey_as_json(shown, live))
    elif shown:
        print_survey(PlainConsole(), shown, live if live in shown else None)
    if not found:
        raise CommandFailed(f"no file matches {pattern[0]}")
    if not shown:
        raise CommandFailed(f"no model of {pattern[0]} is known to have {' and '.join(tags)}")
    return OK


def _tagged(found: Sequence[Surveyed], tags: Sequence[str]) -> list[Surveyed]:
    """Those that have all these tags; says how many have tags that nobody knows yet."""
    unknown = sum(each.verdict is None for each in found)
    if tags and unknown:
        say(f"note: nothing is known yet of {unknown} file{'s' * (unknown > 1)}, tags included", stderr=True)
    return [each for each in found if has_tags(each.tags, tags)]
