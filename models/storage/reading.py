"""Reading what somebody's storage holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from models.storage.files import ReadableFile, Storage

_CHUNK_BYTES = 1 << 20


def read_small(storage: Storage, uri: str, most: int) -> bytes:
    """A file that is small, whole.

    Raises:
        ValueError: it is larger than `most` bytes.
        FileNotFoundError, StorageUnavailable, InvalidAddress: from the storage.
    """
    data = b""
    with closing(storage.open(uri)) as file:
        while len(data) <= most and (chunk := file.read(most + 1 - len(data))):
            data += chunk
    if len(data) > most:
        raise ValueError(f"is larger than {most:,} bytes")
    return data


def copy_within(source: ReadableFile, target: Path, most: int) -> None:
    """Copies an open file to the local file `target`.

    Raises:
        ValueError: it is larger than `most` bytes.
        FileNotFoundError, StorageUnavailable: from the storage.
    """
    size = 0
    with target.open("wb") as writing:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > most:
                raise ValueError(f"is larger than {most:,} bytes")
            writing.write(chunk)


class TranslatedReading:
    """A `ReadableFile` around a client's own.

    Args:
        uri: its address.
        file: has `read(size)` and `close()`.
        translated: from the address and a client's error to `FileNotFoundError` or `StorageUnavailable`.
    """

    def __init__(self, uri: str, file: Any, translated: Callable[[str, Exception], Exception]) -> None:
        self._uri = uri
        self._file = file
        self._translated = translated

    def read(self, size: int, /) -> bytes:
        """See `ReadableFile.read`."""
        try:
            data: bytes = self._file.read(size)
        except Exception as error:  # each client has errors of its own
            raise self._translated(self._uri, error) from error
        return data

    def close(self) -> None:
        """See `ReadableFile.close`."""
        self._file.close()
