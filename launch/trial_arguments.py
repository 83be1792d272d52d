"""The arguments that the verbs about trials have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from launch.any_storage import any_storage
from launch.command_line import CommandRefused
from launch.job_flags import with_job_flags
from launch.model_files import one_pattern
from launch.registries import registry_of
from models.registry.registry import Registry
from models.storage.schemes import AnyStorage
from models.trials.percentages import share_of
from models.trials.terms import Limits

_OF_REGISTRY = ("engine", "max_values", "trusted_key", "registry")
_OF_LIMITS = (
    "trial_max_failures",
    "trial_max_slowdown",
    "trial_min_agreement",
    "trial_max_drift",
    "trial_max_accuracy_loss",
)
with_trial_flags = with_job_flags(_OF_REGISTRY)
"""Gives a verb those options of the job that decide where its trials are known."""
with_limit_flags = with_job_flags((*_OF_REGISTRY, *_OF_LIMITS))
"""Gives a verb those, and the limits that trials are judged by."""


def registry_of_trials(patterns: Sequence[str], job: Mapping[str, Any]) -> tuple[AnyStorage, Registry]:
    """The registry that knows the trials of a pattern, and the storage that reaches it.

    Args:
        patterns: of the model files, as their readers write it: one.
        job: the options of the job.

    Raises:
        CommandRefused, InvalidAddress: there can be none, none is named, or there is not one pattern.
        KeyUnusable: a trusted key is none.
    """
    if job["registry"] is None:
        raise CommandRefused("--registry is missing: trials are known where the models' readers keep what is live")
    storage = any_storage()
    return storage, registry_of(storage, one_pattern(patterns), job)


def limits_of(job: Mapping[str, Any]) -> Limits:
    """The limits that are typed.

    Raises:
        CommandRefused: one is none.
    """
    try:
        return Limits(
            share_of(job["trial_max_failures"]),
            job["trial_max_slowdown"],
            share_of(job["trial_min_agreement"]),
            job["trial_max_drift"],
            share_of(job["trial_max_accuracy_loss"]),
        )
    except ValueError as error:
        raise CommandRefused(f"limits: {error}") from error
