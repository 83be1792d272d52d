"""Putting the files of a version where devices find them: once, and never others in their place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from models.reference import sha256_of
from models.signatures.beside import SIGNATURE_SUFFIX
from models.storage import Storage, Told, WritableStorage
from models.storage.errors import NameTaken, NotWritten

_CHUNK_BYTES = 1 << 20


class VersionTaken(NotWritten):
    """A version is there with other bytes, and is not replaced; its text is one line."""

    def __init__(self, title: str, uri: str) -> None:
        super().__init__(f"{title} is there, and {uri} holds other bytes; a version never changes: give another")


@dataclass(frozen=True, slots=True)
class Shelved:
    """A file of a version.

    Attributes:
        title: of the version, for people.
        path: on this machine.
        uri: where it goes.
    """

    title: str
    path: Path
    uri: str


def missing(storage: Storage, files: Sequence[Shelved]) -> list[Shelved]:
    """Those files that are not there yet; none where the versions are there as they are.

    A signature differs each time one is made: one that is there stays.

    Raises:
        VersionTaken: there is a file of one of these names with other bytes.
        StorageUnavailable: the storage gave no answer.
    """
    return [file for file in files if not _is_there(storage, file)]


def put_once(storage: WritableStorage, files: Sequence[Shelved], told: Callable[[Shelved], Told]) -> None:
    """Writes files in their order, last the one that says that its version is whole: a push that was cut is completed.

    Args:
        storage: of the destination.
        files: that are missing.
        told: is given each file before it is written, and gives what is told how far it is.

    Raises:
        VersionTaken: somebody else was first, with other bytes.
        NotWritten, StorageUnavailable: from the storage.
    """
    for file in files:
        try:
            storage.put(file.path, file.uri, told(file))
        except NameTaken:
            _is_there(storage, file)


def _is_there(storage: Storage, file: Shelved) -> bool:
    digest = _digest(storage, file.uri)
    if digest is not None and not file.uri.endswith(SIGNATURE_SUFFIX) and digest != sha256_of(file.path):
        raise VersionTaken(file.title, file.uri)
    return digest is not None


def _digest(storage: Storage, uri: str) -> str | None:
    sha256 = hashlib.sha256()
    try:
        with closing(storage.open(uri)) as reading:
            while chunk := reading.read(_CHUNK_BYTES):
                sha256.update(chunk)
    except FileNotFoundError:
        return None
    return sha256.hexdigest()
