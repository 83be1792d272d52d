"""A file that comes in pieces, over several calls and power cuts: its digest is known of what lies there."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from edge.connections import Stopped
from models.storage.local_writing import sync

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK_BYTES = 1 << 20


class PartialFile:
    """What has come of a file. One thread uses it, within `opened`.

    Args:
        path: where it lies until it is whole.

    Attributes:
        have: how many bytes lie there.
        received: how many were written since this was made, those that were thrown away included.
        resumed: whether some of it lay there before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.have = 0
        self.received = 0
        self.resumed = False
        self._file: IO[bytes] | None = None
        self._sha256 = hashlib.sha256()

    @contextmanager
    def opened(self, most: int, stop: threading.Event) -> Iterator[None]:
        """Opens or makes it, and digests what is there, where that is not more than there may be.

        Args:
            most: bytes that it may have; one with more begins anew.
            stop: ends the digesting.

        Raises:
            Stopped: `stop` was set.
            OSError: of this machine.
        """
        if self.path.exists() and not self.path.is_file():  # a pipe would be waited for
            self.path.unlink()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            self._file = file
            if os.fstat(descriptor).st_size > most:
                self.begin_anew()
            else:
                self._sha256 = digest_of(file, stop)
                self.have = file.tell()
                self.resumed = self.have > 0
            try:
                yield
            finally:
                self._file = None

    def write(self, piece: bytes) -> None:
        """Adds to it.

        Raises:
            OSError: of this machine.
        """
        self.received += len(piece)
        rest = memoryview(piece)
        while rest:
            count = self._opened().write(rest)
            self._sha256.update(rest[:count])
            self.have += count
            rest = rest[count:]

    def begin_anew(self) -> None:
        """Throws away what is there."""
        file = self._opened()
        file.seek(0)
        file.truncate()
        self.have, self.resumed, self._sha256 = 0, False, hashlib.sha256()

    def hexdigest(self) -> str:
        """SHA-256 of what is there: all 64 hexadecimal digits."""
        return self._sha256.hexdigest()

    def place(self, target: Path) -> None:
        """Gives it its name, once its bytes are on the disk whatever happens to the power."""
        os.fsync(self._opened().fileno())
        self.path.replace(target)
        sync(target.parent)

    def remove(self) -> None:
        """Takes it away, where it is."""
        self.path.unlink(missing_ok=True)

    def _opened(self) -> IO[bytes]:
        assert self._file is not None, "it is not opened"
        return self._file


def digest_of(file: IO[bytes], stop: threading.Event) -> _Hash:
    """SHA-256 of what follows in a file.

    Raises:
        Stopped: `stop` was set.
    """
    sha256 = hashlib.sha256()
    while chunk := file.read(_CHUNK_BYTES):
        if stop.is_set():
            raise Stopped
        sha256.update(chunk)
    return sha256
