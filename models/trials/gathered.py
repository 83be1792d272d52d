"""What all processes of a fleet have gathered of a trial, added up."""

from __future__ import annotations

from dataclasses import replace

from models.printable import logger
from models.reference import StatedTrial
from models.registry.registry import Registry
from models.trials.evidence import Evidence

_LOGGER = logger(__name__)


def gathered(registry: Registry, trial: StatedTrial) -> Evidence:
    """What was seen in the step that a trial is in: by this it is judged. What cannot be understood counts as nothing.

    Args:
        registry: of the pattern.
        trial: in that step.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    whole = Evidence()
    for data in registry.trials.read(trial):
        try:
            whole.merge(Evidence.decode(data))
        except ValueError as error:
            _LOGGER.warning("what a process has gathered of trial %s cannot be understood: it %s", trial.number, error)
    return whole


def gathered_before(registry: Registry, trial: StatedTrial) -> Evidence | None:
    """What was seen in the steps before, where that is judged by: in a step in which the old model answers nothing.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    if trial.share < 1 or trial.step == 0:
        return None
    return added_up(gathered_by_step(registry, replace(trial, step=trial.step - 1)))


def gathered_by_step(registry: Registry, trial: StatedTrial) -> list[Evidence]:
    """The same of each step so far, the first one first.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    return [gathered(registry, replace(trial, step=step)) for step in range(trial.step + 1)]


def added_up(steps: list[Evidence]) -> Evidence:
    """All that was seen, for people: no comparison of the models follows from it, for the steps' shares differ.

    Args:
        steps: see `gathered_by_step`; at least one. What keeps processes from trying the model each step tells anew.
    """
    whole = Evidence()
    for each in steps:
        whole.merge(each)
    whole.unfit_because, whole.not_loaded_because = steps[-1].unfit_because, steps[-1].not_loaded_because
    return whole
