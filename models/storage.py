"""How the files of a pattern are listed and opened, whatever holds them."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import StorageUnavailable


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
        """

    def open(self, uri: str) -> ReadableFile:
        """Opens a file for reading.

        Raises:
            FileNotFoundError: there is no such file.
            StorageUnavailable: the storage gave no answer.
        """


class LocalStorage:
    """Files on this machine's disks."""

    def list(self, pattern: str) -> list[StoredFile]:
        """See `Storage.list`; `**` in a pattern crosses folders."""
        root = Path(pattern.split("*")[0]).parent
        found = [_stored(path) for path in glob.iglob(pattern, recursive=True)]  # noqa: PTH207 - keeps the pattern's form
        if not found and root.exists() and not os.access(root, os.R_OK | os.X_OK):
            raise StorageUnavailable(f"{root} may not be listed")
        return [file for file in found if file is not None]

    def open(self, uri: str) -> ReadableFile:
        """See `Storage.open`."""
        try:
            return open(uri, "rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageUnavailable(f"{uri}: {error.strerror or error}") from error


def _stored(path: str) -> StoredFile | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a str in, and no Path needed
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    version = f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"
    return StoredFile(path, status.st_size, status.st_mtime, version, finished=False)


def newest_first(files: Iterable[StoredFile]) -> list[StoredFile]:
    """The order in which models take precedence: newest modification time first, ties by name, last name first."""
    return sorted(files, key=lambda file: (file.modified, file.uri), reverse=True)


def is_being_written(path: str) -> bool:
    """Whether a process of this machine that we may look at holds `path` open for writing.

    Reads Linux' /proc, without opening the file; elsewhere the answer is False.
    """
    wanted = os.path.realpath(path)
    for fd in glob.iglob("/proc/[0-9]*/fd/*"):  # noqa: PTH207 - entries vanish while we look
        try:
            if os.readlink(fd) != wanted:  # noqa: PTH115
                continue
            flags = Path(fd.replace("/fd/", "/fdinfo/")).read_text().split("flags:")[1].split()[0]
        except (OSError, IndexError):
            continue
        if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
            return True
    return False
