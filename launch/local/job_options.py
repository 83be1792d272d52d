"""What a local run takes over of the job's options, and what it calls them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.option_table import JobOptions, as_flags
from beam_pipeline.options import OptionError, parse_options
from launch.command_line import CommandRefused
from launch.job_flags import OF_READERS, OF_TRIALS

ANY_SUBSCRIPTION = "projects/hotswap-local/subscriptions/any"
"""Stands in while the options are checked: which one it will be is known once there is a Pub/Sub."""
CALLED = {
    "model_pattern": "models",
    "model_poll_seconds": "poll_seconds",
    "output_path": "output",
    "dead_letter_path": "dead_letters",
    "model_events_path": "model_events",
}
"""What a local run calls an option of the job otherwise."""
TAKEN_OVER = (
    *OF_READERS,
    "mask_path",
    "dead_letter_path",
    "model_events_path",
    "image_prefix",
    *OF_TRIALS,
    "trial_max_accuracy_loss",
)
"""The options of the job that a local run has too; its output is an option of its own, and always given."""


def checked_options(values: Mapping[str, Any]) -> tuple[PipelineOptions, JobOptions]:
    """The job's checked options.

    Raises:
        CommandRefused: one is wrong, named as the user named it.
    """
    try:
        options, job, _ = parse_options(as_flags(values))
    except OptionError as error:
        raise CommandRefused(re.sub(r"--(\w+)", _as_called_here, str(error))) from error
    return options, job


def _as_called_here(found: re.Match[str]) -> str:
    name = found[1]
    return f"--{CALLED.get(name, name).replace('_', '-')}"
