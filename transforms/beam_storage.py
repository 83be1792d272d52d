"""Model files wherever Beam's FileSystems reach, for addresses that `AnyStorage` does not know by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from apache_beam.io.filesystems import FileSystems

from models.storage import ReadableFile, StoredFile
from models.storage.errors import StorageUnavailable
from models.storage.local_writing import replace_locally
from models.storage.reading import TranslatedReading
from transforms.beam_files import create_as_it_is, is_not_found, open_as_it_is

_CHUNK_BYTES = 1 << 20


class BeamStorage:
    """Lists, opens and writes whatever has a scheme through Beam; writes plain paths directly."""

    def list(self, pattern: str) -> list[StoredFile]:
        """See `models.storage.Storage.list`."""
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
        try:
            file = open_as_it_is(uri)
        except Exception as error:
            raise _as_storage_error(uri, error) from error
        return TranslatedReading(uri, file, _as_storage_error)

    def write(self, uri: str, source: Path) -> None:
        """Makes the file `uri` of the bytes of `source`, in one step.

        Raises:
            StorageUnavailable: it could not.
        """
        try:
            if "://" not in uri:
                Path(uri).parent.mkdir(parents=True, exist_ok=True)
                replace_locally(source, uri)
                return
            with source.open("rb") as data, create_as_it_is(uri) as target:  # an object appears when it is whole
                shutil.copyfileobj(data, target, _CHUNK_BYTES)
        except Exception as error:
            raise StorageUnavailable(f"{uri}: {error}") from error


def _as_storage_error(uri: str, error: Exception) -> Exception:
    return FileNotFoundError(uri) if is_not_found(error) else StorageUnavailable(f"{uri}: {error}")
