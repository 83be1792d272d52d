"""One storage for every address: told apart by scheme, and connected when first asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from models.storage.errors import InvalidAddress, NotWritten, StorageUnavailable
from models.storage.files import ReadableFile, Storage, StoredFile, Told
from models.storage.local import LocalStorage
from models.storage.local_objects import LocalObjects
from models.storage.local_writing import make_newest_locally, put_locally, remove_locally
from models.storage.objects import ObjectStore

if TYPE_CHECKING:  # at run time only where an address asks for it: Google's client takes seconds to import
    from models.storage.buckets import Buckets
    from models.storage.cloud import CloudStorage

WRITTEN_TO = ("gs", "s3", "az")
"""Schemes of buckets that files are written to, each made once."""


class AnyStorage:
    """A `WritableStorage` for local paths and `gs://`, which also reads whatever its caller can.

    At `s3://` and `az://` files are made and read one by one; no model is followed there.

    Args:
        other: makes the storage of any other scheme; None where there is none.
    """

    def __init__(self, other: Callable[[], Storage] | None = None) -> None:
        self._local = LocalStorage()
        self._other = other

    def list(self, pattern: str) -> list[StoredFile]:
        """See `Storage.list`."""
        return self._of(pattern).list(pattern)

    def open(self, uri: str) -> ReadableFile:
        """See `Storage.open`."""
        if _in_other_buckets(uri):
            return self._buckets.open(uri)
        return self._of(uri).open(uri)

    def exists(self, uri: str) -> bool:
        """See `WritableStorage.exists`."""
        if _in_other_buckets(uri):
            return self._buckets.exists(uri)
        return self._cloud.exists(uri) if uri.startswith("gs://") else os.path.lexists(uri)

    def put(self, source: Path, uri: str, told: Told) -> None:
        """See `WritableStorage.put`."""
        if uri.startswith("gs://"):
            self._cloud.put(source, uri, told)
            return
        if _in_other_buckets(uri):
            self._buckets.put(source, uri, told)
            return
        try:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            put_locally(source, uri, told)
        except OSError as error:
            raise NotWritten(f"{uri} cannot be written: {error.strerror or error}") from error

    def address(self, uri: str, seconds: int) -> str:
        """Where whoever has it may read a file of a bucket, and nothing else; the bucket's own service checks it.

        May ask that service to sign, where no key is at hand.

        Args:
            uri: of the file, which need not be there yet.
            seconds: how long the address lives; a week at most.

        Raises:
            InvalidAddress: no file of a bucket can have this name.
            StorageUnavailable: nothing is at hand that could sign; the text says what to set.
        """
        if _in_other_buckets(uri):
            return self._buckets.address(uri, seconds)
        if uri.startswith("gs://"):
            return self._cloud.address(uri, seconds)
        raise InvalidAddress(f"{uri} is in no bucket; addresses of gs://, s3:// and az:// can be signed")

    def make_newest(self, file: StoredFile, above: float) -> None:
        """See `WritableStorage.make_newest`."""
        if file.uri.startswith("gs://"):
            self._cloud.make_newest(file, above)
        elif "://" in file.uri:
            raise NotWritten(f"{file.uri} cannot be made the newest; local files and gs:// can")
        else:
            make_newest_locally(file, above)

    def remove(self, file: StoredFile) -> None:
        """See `WritableStorage.remove`."""
        if file.uri.startswith("gs://"):
            self._cloud.remove(file)
        elif "://" in file.uri:
            raise NotWritten(f"{file.uri} cannot be removed; local files and gs:// can")
        else:
            remove_locally(file)

    def objects(self, address: str) -> ObjectStore:
        """The objects below a local folder or a `gs://` address.

        Raises:
            InvalidAddress: it is neither.
        """
        if address.startswith("gs://"):
            from models.storage.cloud_objects import CloudObjects

            return CloudObjects(lambda: self._cloud, address)
        if "://" in address:
            raise InvalidAddress(f"{address} can hold no registry; a local folder and gs://BUCKET/FOLDER can")
        return LocalObjects(Path(address))

    def _of(self, uri: str) -> Storage:
        if "://" not in uri:
            return self._local
        if uri.startswith("gs://"):
            return self._cloud
        if self._other is None:
            raise StorageUnavailable(f"{uri} has a scheme that is not read here; local paths and gs:// are")
        return self._other()

    @cached_property
    def _cloud(self) -> CloudStorage:
        from models.storage.cloud import CloudStorage

        return CloudStorage.connect()

    @cached_property
    def _buckets(self) -> Buckets:
        from models.storage.buckets import Buckets

        return Buckets()


def _in_other_buckets(uri: str) -> bool:
    return uri.startswith(("s3://", "az://"))
