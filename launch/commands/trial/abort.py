"""`hotswap trial abort`: the old model stays, and the new one answers nothing."""

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
def abort(pattern: Pattern, *, job: Mapping[str, Any]) -> int:
    """Ends the trial that is under way: the old model stays. The new one is not tried again, see `hotswap trial retry`.

    The last line of standard output is the model_id that is live.
    """
    _, registry = registry_of_trials(pattern, job)
    trial = end_trial(registry, "rolled_back")
    say(trial.old.model_id)
    return OK
