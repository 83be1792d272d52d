"""A person ends a trial on the command line, and is told where that was not so."""

from __future__ import annotations

from launch.command_line import CommandFailed
from launch.trial_words import ended_in_words
from launch.waiting import asking
from models.known import whoever
from models.registry.registry import Registry
from models.trials.ending import ChangedMeanwhileError, EndedMeanwhileError, NoTrialError, end_by_hand
from models.trials.trial import Outcome, Trial


def end_trial(registry: Registry, outcome: Outcome) -> Trial:
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
    try:
        with asking(registry.address):
            return end_by_hand(registry, outcome, whoever())
    except NoTrialError as none:
        raise CommandFailed(f"no trial is under way for {registry.pattern} in {registry.address}") from none
    except EndedMeanwhileError as meanwhile:
        raise CommandFailed(f"somebody else was faster: {ended_in_words(meanwhile.ended)}") from meanwhile
    except ChangedMeanwhileError as meanwhile:
        line = f"{registry.address} is changed by others again and again; look at it and repeat"
        raise CommandFailed(line) from meanwhile
