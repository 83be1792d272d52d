"""`hotswap models`: which files of a pattern are valid, and which is live."""

from __future__ import annotations

import typer
from rich.console import Console

from launch.command_line import OK, CommandFailed
from launch.model_arguments import (
    AsJson,
    Engine,
    LargestBatch,
    Pattern,
    any_storage,
    list_newest_first,
    print_json,
    surveyed,
)
from launch.model_report import print_survey, survey_as_json
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
def models(
    pattern: Pattern, engine: Engine = "auto", max_batch_size: LargestBatch = 32, as_json: AsJson = False
) -> int:
    """Lists the files of a pattern, newest first: which is live, which are valid, which are rejected and why."""
    storage, stderr = any_storage(), Console(stderr=True)
    files = list_newest_first(storage, pattern)
    with vetting(storage, engine, max_batch_size) as vetter:
        found = surveyed(stderr, files, vetter)
    if as_json:
        print_json(survey_as_json(found))
    elif found:
        print_survey(Console(), found)
    if not found:
        raise CommandFailed(f"no file matches {pattern[0]}")
    return OK
