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

_OF_REGISTRY = ("engine", "max_values", "trusted_key", "registry")
with_trial_flags = with_job_flags(_OF_REGISTRY)
"""Gives a verb those options of the job that decide where its trials are known."""


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
