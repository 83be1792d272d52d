"""The arguments that the verbs about trials have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launch.any_storage import any_storage
from launch.command_line import CommandRefused
from launch.job_flags import with_job_flags
from launch.registries import registry_of
from models.registry.registry import Registry
from models.trials.terms import Limits, TrialTerms
