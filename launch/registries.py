"""The registry that a verb is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launch.command_line import CommandRefused
from models.registry.registry import Registry, Terms
from models.signatures.trusted import read_trusted
from models.storage.schemes import AnyStorage


def registry_of(storage: AnyStorage, pattern: str, job: Mapping[str, Any]) -> Registry:
    """The registry of a pattern, on the terms of a job with these options.

    Args:
        storage: reaches it.
        pattern: of the model files, as its readers write it.
        job: `registry`, and the options of the job that verdicts depend on.

    Raises:
        CommandRefused, InvalidAddress: there can be no registry.
        KeyUnusable: a trusted key is none.
    """
    if not job["registry"]:
        raise CommandRefused("--registry is empty; a local folder or gs://BUCKET/FOLDER is expected")
    keys = read_trusted(storage, job["trusted_key"] or ())
    return Registry(storage.objects(job["registry"]), pattern, Terms(job["engine"], job["max_values"], keys))


def lists_signed(job: Mapping[str, Any]) -> bool:
    """Whether files are to be listed as the registry of a job with these options knows them, see `Registry.signed`."""
    return job["registry"] is not None and bool(job["trusted_key"])


def without_registry(job: Mapping[str, Any], *flags: str) -> dict[str, Any]:
    """The options that vetting takes, where no registry is told of.

    Raises:
        CommandRefused: flags that mean something with a registry alone.
    """
    for flag in flags:
        raise CommandRefused(f"{flag} goes with --registry: without one nobody keeps what was live")
    return {name: value for name, value in job.items() if name != "registry"}
