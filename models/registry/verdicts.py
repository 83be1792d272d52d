"""A verdict that a program comes to by itself, beside the readers of a folder, put where they find it."""

from __future__ import annotations

import time

from models.catalogue import REJECTED_SECONDS
from models.errors import ModelRejected
from models.registry.records import Judgement, Verdict
from models.registry.registry import Registry
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile


def listed(storage: Storage, registry: Registry, uri: str) -> StoredFile | None:
    """A file as the readers of its folder list it; None where it is not there, or is called as patterns are.

    Raises:
        StorageUnavailable, InvalidAddress: see `Storage.list`.
    """
    return next((file for file in list_models(storage, uri, registry.signed) if file.uri == uri), None)


def keep_verdict(
    storage: Storage, registry: Registry, file: StoredFile, verdict: Verdict, seconds: float
) -> Judgement | None:
    """Keeps a verdict on a file, unless there is one that counts; which of them stands.

    None is kept on a file that has changed meanwhile, nor one that it is bad while it may still be growing.

    Args:
        storage: where the file is.
        registry: takes the verdict.
        file: as it was listed before it was vetted.
        verdict: what vetting said.
        seconds: how long that took.

    Returns:
        None where nothing is kept.

    Raises:
        StorageUnavailable: it could not be written.
    """
    now = listed(storage, registry, file.uri)
    if now is None or now.version != file.version:
        return None
    is_early = not file.finished and time.time() - file.modified < REJECTED_SECONDS
    if isinstance(verdict, ModelRejected) and is_early:
        return None
    return registry.record(file, Judgement(file.uri, file.version, verdict, seconds))
