"""The arguments that the verbs about models have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from launch.job_flags import with_job_flags

AsJson = Annotated[bool, typer.Option("--json", help="For scripts: JSON on standard output.")]
Pattern = Annotated[
    list[str], typer.Argument(metavar="PATTERN", help="In quotes: 'models/*.h5', 'gs://b/models/*.h5'.")
]

_VETTING = ("engine", "max_batch_size", "max_values", "require_confinement")
with_vetting_flags = with_job_flags(_VETTING)
"""Gives a verb those options of the job that decide what vetting says."""
with_registry_flags = with_job_flags((*_VETTING, "trusted_key", "registry"))
"""Gives a verb those options of the job that decide which models may be live, and where it is known which one is."""
