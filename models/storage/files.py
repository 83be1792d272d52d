"""How the files of a pattern are listed, opened and written, whatever holds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.storage.errors import NotWritten

Told = Callable[[int], None]
"""Called with the number of bytes that have been written since the last call."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as a listing shows it.

    Attributes:
        uri: its address, as `Storage.open` takes it.
        size: bytes.
        modified: last modification, seconds since the epoch.
        version: changes whenever the file is written or replaced.
        finished: whether the storage itself guarantees that nobody is still writing the file.
    """

    uri: str
    size: int
    modified: float
    version: str
    finished: bool


class ReadableFile(Protocol):
    """An open file. Reading raises what `Storage.open` raises."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""

    def close(self) -> None:
        """Lets go of the file."""


class Storage(Protocol):
    """Lists and reads files; implementations tell 'not there' from 'cannot be asked'."""

    def list(self, pattern: str) -> list[StoredFile]:
        """The regular files that match `pattern`, in no particular order.

        Raises:
            StorageUnavailable: the storage gave no answer; says nothing about which files exist.
            InvalidAddress: no file can match.
        """

    def open(self, uri: str) -> ReadableFile:
        """Opens a file for reading.

        Raises:
            FileNotFoundError: there is no such file.
            StorageUnavailable: the storage gave no answer.
            InvalidAddress: no file can have this name.
        """


class WritableStorage(Storage, Protocol):
    """A storage whose files can also be made, without replacing any, made the newest, and removed."""

    def exists(self, uri: str) -> bool:
        """Whether there is a file of this name now.

        Raises:
            StorageUnavailable: the storage gave no answer.
            InvalidAddress: no file can have this name.
        """

    def put(self, source: Path, uri: str, told: Told) -> None:
        """Copies a local file to a new name, where it appears whole or not at all.

        Raises:
            NameTaken: another file took the name first.
            NotWritten: it could not be written.
            StorageUnavailable: the storage gave no answer.
            InvalidAddress: no file can have this name.
        """

    def make_newest(self, file: StoredFile, above: float) -> None:
        """Makes a file the newest of its pattern without changing its name or bytes, so that its `model_id` stays.

        A copy under a new name would do as well, but its `model_id` would be another, and where the model is still
        resident its readers would be told to serve a new one. Setting a time is one step that cannot be half done.

        Args:
            file: as it was listed; if it has changed since, nothing happens.
            above: the newest modification time in the pattern, seconds since the epoch.

        Raises:
            NotWritten: it has changed, is gone, or may not be touched.
            StorageUnavailable: the storage gave no answer.
        """

    def remove(self, file: StoredFile) -> None:
        """Removes a file; does nothing where it is gone already.

        In a bucket nobody's file is ever removed but the one that was listed. On a disk there is no such step: it is
        compared, and removed a moment later.

        Args:
            file: as it was listed; if it has changed since, nothing happens.

        Raises:
            NotWritten: it has changed, or may not be removed.
            StorageUnavailable: the storage gave no answer.
        """


def newest_first(files: Iterable[StoredFile]) -> list[StoredFile]:
    """The order in which models take precedence: newest modification time first, ties by name, last name first."""
    return sorted(files, key=lambda file: (file.modified, file.uri), reverse=True)


def changed_meanwhile(file: StoredFile) -> NotWritten:
    """What is said of a file that is no longer the one that was listed."""
    return NotWritten(f"{file.uri} changed meanwhile, and was left alone; look again and repeat")
