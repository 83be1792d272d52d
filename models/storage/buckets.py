"""Buckets of S3 and containers of Azure: files that are made once, and read.

Credentials and endpoints are what the environment names, as `obstore` reads it: `AWS_ACCESS_KEY_ID`, `AWS_REGION`,
`AWS_ENDPOINT_URL`, …; `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`, …
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from models.errors import one_line
from models.storage.errors import InvalidAddress, NameTaken, NotWritten, StorageUnavailable
from models.storage.files import ReadableFile, Told
from models.storage.reading import TranslatedReading

if TYPE_CHECKING:  # at run time where an address asks for it
    from obstore.store import AzureStore, S3Store

SCHEMES = ("s3", "az")
_RETRIES = 3
_RETRY_SECONDS = 30
_MOST_BYTES = 5 << 30
"""What S3 takes in one request, which alone can be conditional."""
_WITHOUT_CREDENTIALS = ("169.254.169.254", "/latest/api/token", "/metadata/identity/", "Generating SAS keys with")
"""In errors that come of credentials: who is asked last, where there are no others, is the machine itself; a token for
a container signs no further ones."""
_HOW = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or use a machine with a role",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or a token",
}


class Buckets:
    """Files at `s3://BUCKET/NAME` and `az://CONTAINER/NAME`."""

    def __init__(self) -> None:
        self._stores: dict[tuple[str, str], S3Store | AzureStore] = {}

    def open(self, uri: str) -> ReadableFile:
        """See `models.storage.Storage.open`."""
        import obstore

        store, name = self._store(uri)
        with _trouble(uri, "cannot be read"):
            file = obstore.open_reader(store, name)
        return TranslatedReading(uri, _PlainReading(file), _as_storage_error)

    def exists(self, uri: str) -> bool:
        """See `WritableStorage.exists`."""
        import obstore

        store, name = self._store(uri)
        try:
            with _trouble(uri, "cannot be read"):
                obstore.head(store, name)
        except FileNotFoundError:
            return False
        return True

    def put(self, source: Path, uri: str, told: Told) -> None:
        """See `WritableStorage.put`: one request that the storage itself refuses where the name is taken."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        store, name = self._store(uri)
        size = source.stat().st_size
        if size > _MOST_BYTES:
            raise NotWritten(f"{uri} was not written: {size:,} bytes are more than one request takes")
        try:
            with _trouble(uri, "was not written"):
                obstore.put(store, name, source, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            # An upload that was repeated because its answer got lost meets itself.
            if not self._holds(uri, source):
                raise NameTaken(uri) from error
        except FileNotFoundError as error:
            raise NotWritten(f"{uri} was not written: there is no such bucket") from error
        told(size)

    def address(self, uri: str, seconds: int) -> str:
        """See `AnyStorage.address`."""
        import obstore

        store, name = self._store(uri)
        with _trouble(uri, "has no address to read it at"):
            address = obstore.sign(store, "GET", name, timedelta(seconds=seconds))
        if uri.startswith("az://") and "%" in urlsplit(address).path:
            # obstore 0.12 signs the escaped name, and Azure checks the name.
            raise InvalidAddress(f"{uri} cannot be signed: rename its folder, with letters, digits and . _ - alone")
        return address

    def _holds(self, uri: str, source: Path) -> bool:
        import obstore

        store, name = self._store(uri)
        with _trouble(uri, "cannot be read"):
            found = bytes(obstore.get(store, name).bytes())
        with source.open("rb") as file:
            return hashlib.sha256(found).digest() == hashlib.file_digest(file, "sha256").digest()

    def _store(self, uri: str) -> tuple[S3Store | AzureStore, str]:
        """The bucket of an address, and the name in it."""
        match = re.fullmatch(r"(s3|az)://([^/*?\[]+)/([^*?\[]+)", uri)
        if match is None:
            raise InvalidAddress(f"{uri} names no file; s3://BUCKET/NAME or az://CONTAINER/NAME is expected")
        scheme, bucket, name = match.groups()
        if (scheme, bucket) not in self._stores:
            self._stores[scheme, bucket] = _connected(scheme, bucket)
        return self._stores[scheme, bucket], name


def _connected(scheme: str, bucket: str) -> S3Store | AzureStore:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, S3Store

    patience: Any = {"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    insecure = any(
        os.environ.get(name, "").startswith("http://") for name in ("AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT")
    )
    client: Any = {"allow_http": insecure}
    try:
        if scheme == "s3":
            return S3Store(bucket, client_options=client, retry_config=patience)
        return AzureStore(bucket, client_options=client, retry_config=patience)
    except (BaseError, ValueError) as error:
        raise StorageUnavailable(f"{scheme}://{bucket} cannot be reached: {one_line(error)}; {_HOW[scheme]}") from error


class _PlainReading:
    """What `obstore` reads, as bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return bytes(self._file.read(size))

    def close(self) -> None:
        self._file.close()


@contextmanager
def _trouble(uri: str, what: str) -> Iterator[None]:
    """Tells what `obstore` raises in this project's words, but that a name is taken or not there."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(uri) from error
    except (BaseError, ValueError, OSError) as error:
        raise StorageUnavailable(f"{uri} {what}: {_in_words(error, uri)}") from error


def _as_storage_error(uri: str, error: Exception) -> Exception:
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(uri)
    return StorageUnavailable(f"{uri} cannot be read: {_in_words(error, uri)}")


def _in_words(error: Exception, uri: str) -> str:
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    how = _HOW[uri.partition("://")[0]]
    if isinstance(error, PermissionDeniedError):
        return "these credentials may not"
    if isinstance(error, UnauthenticatedError):
        return f"the credentials are not accepted; {how}"
    # Its texts go over many lines, the first of which says what there is to say.
    first = one_line(str(error).strip().partition("\n")[0])
    return f"{first}; {how}" if any(part in first for part in _WITHOUT_CREDENTIALS) else first
