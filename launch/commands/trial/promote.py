"""`hotswap trial promote`: the new model answers everything now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from launch.command_line import OK
from launch.ending_trials import end_trial
from launch.model_arguments import Pattern
from launch.printing import say
from launch.trial_arguments import registry_of_trials, with_trial_flags

app = typer.Typer(add_completion=False)


@app.command()
@with_trial_flags
def promote(pattern: Pattern, *, job: Mapping[str, Any]) -> int:
    """Ends the trial that is under way: the new model goes live for every reader, whatever is proved of it.

    The last line of standard output is the model_id that is live.
    """
    _, registry = registry_of_trials(pattern, job)
    trial = end_trial(registry, "promoted")
    say(trial.new.model_id)
    return OK
