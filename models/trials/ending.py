"""A person ends a trial: one compare-and-swap, and the one who is slower is told so."""

from __future__ import annotations

from collections.abc import Mapping

from models.registry.registry import Registry
from models.trials.trial import LONGEST_WHY, EndedTrial, Outcome, Trial
from models.trials.view import ended_trials, trial_now

DEEDS: Mapping[Outcome, str] = {"promoted": "promoted", "rolled_back": "aborted"}
"""What a person does who has a trial end so."""
_TRIES = 5
"""To write the pointer, while others move it without ending the trial."""


class NoTrialError(Exception):
    """No such trial is under way."""


class EndedMeanwhileError(Exception):
    """Somebody else was faster.

    Attributes:
        ended: what came of the trial.
    """

    def __init__(self, ended: EndedTrial) -> None:
        super().__init__(f"the trial was ended by {ended.by}")
        self.ended = ended


class ChangedMeanwhileError(Exception):
    """Others change the pointer again and again; the trial goes on."""


def end_by_hand(registry: Registry, outcome: Outcome, by: str, number: int | None = None) -> Trial:
    """Ends the trial that is under way, whatever is proved so far; every reader follows.

    Args:
        registry: of the pattern.
        outcome: what becomes of the new model.
        by: who ends it, for people.
        number: of the trial that is meant; None for whichever there is.

    Returns:
        The trial that was ended.

    Raises:
        NoTrialError, EndedMeanwhileError, ChangedMeanwhileError: it was not ended here.
        StorageUnavailable: the registry gave no answer.
    """
    view = trial_now(registry)
    if view is None or number not in (None, view.trial.number):
        raise NoTrialError
    trial, figures = view.trial, view.judgement.to_json()
    why = f"{DEEDS[outcome]} by {by}; {view.judgement.why}"[:LONGEST_WHY]
    for _ in range(_TRIES):
        if registry.live.end(outcome, why, figures, by=by):
            return trial
        ended = next((each for each in ended_trials(registry) if each.trial.number == trial.number), None)
        if ended is not None:
            raise EndedMeanwhileError(ended)
        pointer = registry.live.pointer
        if pointer is None or pointer.trial is None or pointer.trial.number != trial.number:
            break
    raise ChangedMeanwhileError
