"""An open file of somebody's client, whose errors are told in this project's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


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
