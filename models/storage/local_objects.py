"""Objects as files of this machine's disk, or of one that several machines mount."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from models.storage.errors import StorageUnavailable
from models.storage.local import LocalStorage, open_without_waiting
from models.storage.local_writing import replace_locally, write_locally
from models.storage.objects import MOST_OBJECT_BYTES, Found
from models.storage.reading import copy_within

_LOCK = ".lock"
"""Held by whoever compares and swaps; the system lets go of it when its holder dies."""
_LONGEST_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.01


class LocalObjects:
    """An `ObjectStore` in a folder, made where it does not exist.

    Each file appears in one step. Two writers take turns by a lock on a file beside, so that the file systems that
    machines share need `flock`, which NFS has.

    Args:
        folder: where the objects are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = LocalStorage()

    @property
    def address(self) -> str:
        """See `ObjectStore.address`."""
        return str(self._folder)

    def read(self, name: str) -> Found | None:
        """See `ObjectStore.read`."""
        path = self._folder / name
        with _trouble(path):
            return _found(path)

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        """See `ObjectStore.swap`."""
        path = self._folder / name
        with self._alone(path):
            if _version_of(path) != expected:
                return None
            if path.is_dir() and not path.is_symlink():  # which no file can replace
                path.rename(path.with_name(f".{path.name}.{secrets.token_hex(4)}"))
            write_locally(data, str(path))
            return _digest(data)

    def remove(self, name: str, expected: str | None) -> bool:
        """See `ObjectStore.remove`."""
        path = self._folder / name
        with self._alone(path):
            version = _version_of(path)
            if version is None or version != (expected or version):
                return False
            path.unlink()
            return True

    def names(self, folder: str) -> list[str]:
        """See `ObjectStore.names`."""
        with _trouble(self._folder / folder):
            found = [path for path in (self._folder / folder).rglob("*") if path.is_file()]
        names = [path.relative_to(self._folder) for path in found]
        return [str(name) for name in names if not any(part.startswith(".") for part in name.parts)]

    def upload(self, source: Path, name: str) -> None:
        """See `ObjectStore.upload`."""
        path = self._folder / name
        with _trouble(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_locally(source, str(path))

    def download(self, name: str, target: Path, most: int) -> None:
        """See `ObjectStore.download`."""
        path = self._folder / name
        with closing(self._files.open(str(path))) as source:
            copy_within(source, target, most)

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """Holds the lock; whoever holds it for long, a process that was stopped say, is not waited for."""
        with _trouble(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
            try:
                _take(lock, path)
                yield
            finally:
                os.close(lock)


def _take(lock: int, path: Path) -> None:
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StorageUnavailable(f"{path}: another process has held the lock for long") from None
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _found(path: Path) -> Found | None:
    """What lies there, whatever it is: opened without waiting, and of what is no file nothing is read."""
    try:
        file = open(path, "rb", opener=open_without_waiting)  # noqa: SIM115 - closed below, where it is one
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        return Found(b"", "a folder")
    with file:
        status = os.fstat(file.fileno())
        is_file = stat.S_ISREG(status.st_mode)
        data = file.read(MOST_OBJECT_BYTES + 1) if is_file else b""
    if is_file and len(data) <= MOST_OBJECT_BYTES:
        return Found(data, _digest(data))
    return Found(data, f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}")


def _version_of(path: Path) -> str | None:
    found = _found(path)
    return found.version if found else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"{path}: {error.strerror or error}") from error
