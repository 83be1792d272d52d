"""Model files wherever Beam's FileSystems reach; local ones with the finer eyes of the local disk."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from models.errors import StorageUnavailable
from models.storage import LocalStorage, ReadableFile, StoredFile

_CHUNK_BYTES = 1 << 20


class BeamStorage:
    """Lists and opens `gs://…` and whatever else has a scheme through Beam, plain paths directly."""

    def __init__(self) -> None:
        self._local = LocalStorage()

    def list(self, pattern: str) -> list[StoredFile]:
        """See `models.storage.Storage.list`."""
        if "://" not in pattern:
            return self._local.list(pattern)
        try:
            (matched,) = FileSystems.match([pattern])
        except Exception as error:  # each file system has errors of its own
            raise StorageUnavailable(str(error)) from error
        return [
            StoredFile(
                uri=found.path,
                size=found.size_in_bytes,
                modified=found.last_updated_in_seconds,
                version=f"{found.size_in_bytes}-{found.last_updated_in_seconds}",
                finished=True,
            )
            for found in matched.metadata_list
            if not found.path.endswith("/")
        ]

    def open(self, uri: str) -> ReadableFile:
        """See `models.storage.Storage.open`."""
        if "://" not in uri:
            return self._local.open(uri)
        try:
            return _Reading(uri, FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED))
        except Exception as error:
            raise _as_storage_error(uri, error) from error

    def write(self, uri: str, source: Path) -> None:
        """Makes the file `uri` of the bytes of `source`, in one step.

        Raises:
            StorageUnavailable: it could not.
        """
        remote = "://" in uri
        beside = uri if remote else str(Path(uri).with_name(f".{Path(uri).name}.{uuid.uuid4().hex}"))
        try:
            if not remote:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
            with (
                source.open("rb") as data,
                FileSystems.create(beside, compression_type=CompressionTypes.UNCOMPRESSED) as target,
            ):
                shutil.copyfileobj(data, target, _CHUNK_BYTES)
            if not remote:  # an object appears when it is whole, a file while it grows
                Path(beside).rename(uri)
        except Exception as error:
            raise StorageUnavailable(f"{uri}: {error}") from error


class _Reading:
    """An open file whose errors are told in this project's words."""

    def __init__(self, uri: str, file: Any) -> None:
        self._uri = uri
        self._file = file

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except Exception as error:
            raise _as_storage_error(self._uri, error) from error
        return data

    def close(self) -> None:
        self._file.close()


def _as_storage_error(uri: str, error: Exception) -> Exception:
    causes = [error, *((error.exception_details or {}).values() if isinstance(error, BeamIOError) else ())]
    for cause in causes:
        if isinstance(cause, FileNotFoundError) or getattr(cause, "code", None) == 404:
            return FileNotFoundError(uri)
    return StorageUnavailable(f"{uri}: {error}")
