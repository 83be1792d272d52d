"""Objects of a bucket, compared and swapped by their generations."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from models.storage.cloud import TIMEOUT, CloudStorage, split_address, trouble_as
from models.storage.errors import StorageUnavailable
from models.storage.objects import MOST_OBJECT_BYTES, Found
from models.storage.reading import copy_within

_NOT_THERE = 0
"""The generation of an object that does not exist, in preconditions."""


class CloudObjects:
    """An `ObjectStore` below an address in Cloud Storage.

    Args:
        connect: reaches the bucket; asked when it is first needed, and anew for as long as there are no credentials.
        address: `gs://BUCKET/FOLDER`.

    Raises:
        InvalidAddress: it is none.
    """

    def __init__(self, connect: Callable[[], CloudStorage], address: str) -> None:
        self.address = address.rstrip("/")
        self._connect = connect
        self._bucket, self._folder = split_address(self.address)

    def read(self, name: str) -> Found | None:
        """See `ObjectStore.read`; one request, where the answer tells the generation, as Cloud Storage's own does."""
        from google.api_core.exceptions import NotFound

        blob = self._blob(name)
        with trouble_as(StorageUnavailable, f"{self.address}/{name} cannot be read"):
            try:
                data = self._beginning(blob)
                if blob.generation is None:  # an emulator's; what is read again is of the generation that is told
                    blob.reload(retry=self._storage.retry, timeout=TIMEOUT)
                    data = self._beginning(blob)
            except NotFound:
                return None
        return Found(data, str(blob.generation))

    def _beginning(self, blob: Any) -> bytes:
        from google.api_core.exceptions import RequestRangeNotSatisfiable

        try:
            data: bytes = blob.download_as_bytes(
                end=MOST_OBJECT_BYTES, raw_download=True, checksum=None, retry=self._storage.retry, timeout=TIMEOUT
            )
        except RequestRangeNotSatisfiable:  # an empty object
            blob.reload(retry=self._storage.retry, timeout=TIMEOUT)
            return b""
        return data

    def swap(self, name: str, data: bytes, expected: str | None) -> str | None:
        """See `ObjectStore.swap`."""
        from google.api_core.exceptions import PreconditionFailed

        blob = self._blob(name)
        with trouble_as(StorageUnavailable, f"{self.address}/{name} cannot be written"):
            try:
                blob.upload_from_string(
                    data,
                    content_type="application/json",
                    if_generation_match=int(expected) if expected else _NOT_THERE,
                    retry=self._storage.retry,
                    timeout=TIMEOUT,
                )
            except PreconditionFailed:
                # An upload that was repeated because its answer got lost meets itself.
                found = self.read(name)
                return found.version if found is not None and found.data == data else None
        return str(blob.generation)

    def remove(self, name: str, expected: str | None) -> bool:
        """See `ObjectStore.remove`."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        with trouble_as(StorageUnavailable, f"{self.address}/{name} cannot be removed"):
            try:
                generation = None if expected is None else int(expected)
                self._blob(name).delete(if_generation_match=generation, retry=self._storage.retry, timeout=TIMEOUT)
            except (PreconditionFailed, NotFound):
                return False
        return True

    def names(self, folder: str) -> list[str]:
        """See `ObjectStore.names`."""
        with trouble_as(StorageUnavailable, f"{self.address}/{folder} cannot be listed"):
            blobs = self._storage.client.list_blobs(
                self._bucket, prefix=f"{self._folder}/{folder}", retry=self._storage.retry, timeout=TIMEOUT
            )
            return [blob.name.removeprefix(f"{self._folder}/") for blob in blobs]

    def upload(self, source: Path, name: str) -> None:
        """See `ObjectStore.upload`."""
        self._storage.write(f"{self.address}/{name}", source)

    def download(self, name: str, target: Path, most: int) -> None:
        """See `ObjectStore.download`."""
        with closing(self._storage.open(f"{self.address}/{name}")) as source:
            copy_within(source, target, most)

    @property
    def _storage(self) -> CloudStorage:
        return self._connect()

    def _blob(self, name: str) -> Any:
        return self._storage.client.bucket(self._bucket).blob(f"{self._folder}/{name}")
