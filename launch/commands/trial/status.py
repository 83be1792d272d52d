"""`hotswap trial status`: which model is tried, how it fares, and what came of those before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from launch.command_line import OK
from launch.model_arguments import AsJson, Pattern
from launch.model_report import print_json
from launch.printing import PlainConsole, say
from launch.trial_arguments import registry_of_trials, with_trial_flags
from launch.trial_status import print_ended, print_trial
from launch.waiting import asking
from models.trials.view import ended_as_json, ended_trials, trial_now

app = typer.Typer(add_completion=False)


@app.command()
@with_trial_flags
def status(pattern: Pattern, as_json: AsJson = False, *, job: Mapping[str, Any]) -> int:
    """Tells which model is tried against which, how far it is, and of each limit whether it is kept, broken or open.

    Nothing is changed.
    """
    _, registry = registry_of_trials(pattern, job)
    with asking(registry.address):
        view, ended = trial_now(registry), ended_trials(registry)
    if as_json:
        print_json({"trial": view.to_json() if view else None, "ended": [ended_as_json(each) for each in ended]})
        return OK
    console = PlainConsole()
    if registry.live.pointer is None:
        say(f"note: {registry.address} knows of no model that was ever live for {pattern[0]}", stderr=True)
    if view is None:
        say("no trial is under way")
    else:
        print_trial(console, view)
    print_ended(console, ended)
    return OK
