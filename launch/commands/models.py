"""`hotswap models`: which files of a pattern are valid, and which is live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed
from launch.model_arguments import AsJson, Pattern, with_reader_flags
from launch.model_files import list_newest_first, survey_with_progress
from launch.model_report import print_json, print_survey, survey_as_json
from launch.printing import PlainConsole
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
@with_reader_flags
def models(pattern: Pattern, as_json: AsJson = False, *, job: Mapping[str, Any]) -> int:
    """Lists the files of a pattern, newest first: which is live, which are valid, which are rejected and why."""
    storage, stderr = any_storage(), PlainConsole(stderr=True)
    files = list_newest_first(storage, pattern)
    with vetting(storage, **job) as vetter:
        found = survey_with_progress(stderr, files, vetter)
    if as_json:
        print_json(survey_as_json(found))
    elif found:
        print_survey(PlainConsole(), found)
    if not found:
        raise CommandFailed(f"no file matches {pattern[0]}")
    return OK
