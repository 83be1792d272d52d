"""A person ends a trial: one compare-and-swap, and the one who is slower is told so."""

from __future__ import annotations

from launch.command_line import CommandFailed
from launch.trial_words import ended_in_words
from launch.waiting import asking
from models.known import whoever
from models.registry.registry import Registry
from models.trials.trial import Outcome, Trial
from models.trials.view import ended_trials, trial_now

_TRIES = 5
"""To write the pointer, while others move it without ending the trial."""
_DEEDS = {"promoted": "promoted", "rolled_back": "aborted"}


def end_by_hand(registry: Registry, outcome: Outcome) -> Trial:
    """Ends the trial that is under way, in the name of whoever runs this program.

    Args:
        registry: of the pattern.
        outcome: what becomes of the new model.

    Returns:
        The trial that was ended.

    Raises:
        CommandFailed: none is under way, or somebody else has ended it first.
        StorageUnavailable: the registry gave no answer.
    """
    with asking(registry.address):
        view = trial_now(registry)
    if view is None:
        raise CommandFailed(f"no trial is under way for {registry.pattern} in {registry.address}")
    trial, figures = view.trial, view.judgement.to_json()
    why = f"{_DEEDS[outcome]} by {whoever()}"
    for _ in range(_TRIES):
        if registry.live.end(outcome, why, figures, by=whoever()):
            return trial
        ended = next((each for each in ended_trials(registry) if each.trial.number == trial.number), None)
        if ended is not None:
            raise CommandFailed(f"somebody else was faster: {ended_in_words(ended)}")
        pointer = registry.live.pointer
        if pointer is None or pointer.trial is None or pointer.trial.number != trial.number:
            break
    raise CommandFailed(f"{registry.address} is changed by others again and again; look at it and repeat")
