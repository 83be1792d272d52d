"""Objects as files of this machine's disk, or of one that several machines mount."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from models.reference import sha256_of
from models.storage.errors import StorageUnavailable
from models.storage.local import LocalStorage
from models.storage.local_writing import replace_locally, write_locally
from models.storage.objects import MOST_OBJECT_BYTES, Found
from models.storage.reading import copy_within

_LOCK = ".lock"
"""Held by whoever compares and swaps; the system lets go of it when its holder dies."""


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
        try:
            with closing(self._files.open(str(path))) as file:
                data = file.read(MOST_OBJECT_BYTES + 1)
            whole = len(data) <= MOST_OBJECT_BYTES
            return Found(data, _digest(data) if whole else sha256_of(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable(f"{path}: {error.strerror or error}") from error

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        """See `ObjectStore.swap`."""
        path = self._folder / name
        with self._alone(path):
            if self._version_of(path) != expected:
                return None
            write_locally(data, str(path))
            return _digest(data)

    def remove(self, name: str, expected: str) -> bool:
        """See `ObjectStore.remove`."""
        path = self._folder / name
        with self._alone(path):
            if self._version_of(path) != expected:
                return False
            path.unlink()
            return True

    def names(self, folder: str) -> list[str]:
        """See `ObjectStore.names`."""
        with _trouble(self._folder / folder):
            found = [path for path in (self._folder / folder).rglob("*") if path.is_file()]
        return [str(path.relative_to(self._folder)) for path in found if not path.name.startswith(".")]

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

    def _version_of(self, path: Path) -> str | None:
        """Of whatever lies there, however large."""
        try:
            return sha256_of(path)
        except FileNotFoundError:
            return None

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        with _trouble(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with (self._folder / _LOCK).open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageUnavailable(f"{path}: {error.strerror or error}") from error
