"""The registry that a verb is told of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launch.command_line import CommandRefused
from models.errors import ModelRejected
from models.registry.records import Verdict
from models.registry.registry import Registry, Terms
from models.registry.verdicts import keep_verdict, listed
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


class Readers:
    """Those who read a file's folder with a registry, and take a verdict from there.

    Args:
        storage: where the file is, and the registry.
        uri: of the file, as they write it.
        job: the options of theirs that verdicts depend on, and `registry`.

    Attributes:
        registry: theirs.

    Raises:
        CommandRefused, InvalidAddress, KeyUnusable: see `registry_of`; or there is no such file.
        StorageUnavailable: the storage gave no answer.
    """

    def __init__(self, storage: AnyStorage, uri: str, job: Mapping[str, Any]) -> None:
        self.registry = registry_of(storage, uri, job)
        self._storage = storage
        file = listed(storage, self.registry, uri)
        if file is None:
            raise CommandRefused(f"there is no file {uri}, or its name has *, ? or [ in it, which mean others too")
        self._file = file

    def told(self, verdict: Verdict, seconds: float) -> str:
        """Tells them a verdict; in one line for people, what they know now.

        Args:
            verdict: what vetting said.
            seconds: how long that took.

        Raises:
            StorageUnavailable: it could not be written.
        """
        kept = keep_verdict(self._storage, self.registry, self._file, verdict, seconds)
        if kept is None:
            return f"{self.registry.address} keeps no verdict: {self._file.uri} was changed a moment ago; vet it again"
        if isinstance(kept.verdict, ModelRejected):
            return f"{self.registry.address} has it as rejected: {kept.verdict}"
        return f"{self.registry.address} has it as accepted: its readers need not vet it"
