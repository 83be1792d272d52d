"""Model files in Google Cloud Storage: listed, read, and written with preconditions.

Whoever reads a model folder reads it here; images are read by `object_reader.py`. Nobody waits for credentials that a
laptop does not have.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from models.errors import one_line
from models.storage.credentials import HOW_TO_GET_CREDENTIALS, find_credentials
from models.storage.errors import InvalidAddress, NameTaken, NoCredentials, NotWritten, StorageUnavailable
from models.storage.files import ReadableFile, StoredFile, Told, changed_meanwhile
from models.storage.patterns import matcher
from models.storage.reading import TranslatedReading

NO_BUCKET_METADATA = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
"""Unless this says so, Google's client asks for each bucket that it meets, for traces that nobody has asked for."""
STORAGE_EMULATOR_HOST = "STORAGE_EMULATOR_HOST"
"""The variable in which Google's client looks for the address of an emulator."""

_READ_BYTES = 8 << 20
_UPLOAD_BYTES = 8 << 20
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 60.0
TIMEOUT = (_CONNECT_SECONDS, _ANSWER_SECONDS)
_RETRY_SECONDS, _EMULATOR_RETRY_SECONDS = 15.0, 2.0
_LOCATION_SECONDS = 10.0


class CloudStorage:
    """The buckets that the user may use, or the emulator that `STORAGE_EMULATOR_HOST` names.

    Args:
        client: Google's own.
        retry_seconds: how long requests that fail are repeated before the user is told.
    """

    def __init__(self, client: Any, retry_seconds: float = _RETRY_SECONDS) -> None:
        from google.cloud.storage.retry import DEFAULT_RETRY

        self.client = client
        self.retry = DEFAULT_RETRY.with_timeout(retry_seconds)

    @classmethod
    def connect(cls) -> CloudStorage:
        """Finds credentials; an emulator needs none.

        Raises:
            NoCredentials: there are none, or they cannot be used.
        """
        from google.cloud import storage

        os.environ.setdefault(NO_BUCKET_METADATA, "true")
        if os.environ.get(STORAGE_EMULATOR_HOST):
            return cls(storage.Client.create_anonymous_client(), _EMULATOR_RETRY_SECONDS)
        credentials = usable_credentials()
        if credentials is None:
            raise NoCredentials(f"gs:// needs Google credentials, and none were found: {HOW_TO_GET_CREDENTIALS}")
        return cls(storage.Client(project="<none>", credentials=credentials))

    def list(self, pattern: str) -> list[StoredFile]:
        """See `models.storage.Storage.list`; patterns mean what they mean to the job."""
        bucket, name = split_address(pattern)
        wanted = matcher(pattern)
        prefix = re.split(r"[\[*?]", name, maxsplit=1)[0]
        with trouble_as(StorageUnavailable, f"gs://{bucket} cannot be listed"):
            blobs = list(self.client.list_blobs(bucket, prefix=prefix, retry=self.retry, timeout=TIMEOUT))
        return [
            StoredFile(
                uri=f"gs://{bucket}/{blob.name}",
                size=int(blob.size or 0),
                # Of the upload: `updated` changes with labels and lifecycle rules too.
                modified=blob.time_created.timestamp(),
                version=str(blob.generation),
                finished=True,
            )
            for blob in blobs
            if not blob.name.endswith("/") and wanted.match(f"gs://{bucket}/{blob.name}")
        ]

    def open(self, uri: str) -> ReadableFile:
        """See `models.storage.Storage.open`; reads one generation, whatever is written meanwhile."""
        blob = self._get(uri)
        if blob is None:
            raise FileNotFoundError(uri)
        pinned = blob.bucket.blob(blob.name, generation=blob.generation)
        file = pinned.open("rb", chunk_size=_READ_BYTES, raw_download=True, retry=self.retry, timeout=TIMEOUT)
        return TranslatedReading(uri, file, _as_storage_error)

    def address(self, uri: str, seconds: int) -> str:
        """See `AnyStorage.address`."""
        from models.storage.cloud_signing import signed_address

        bucket, name = split_address(uri)
        with trouble_as(StorageUnavailable, f"{uri} has no address to read it at"):
            return signed_address(self.client.bucket(bucket).blob(name), self._signer, seconds)

    @cached_property
    def _signer(self) -> Any:
        return usable_credentials()

    def exists(self, uri: str) -> bool:
        """See `WritableStorage.exists`."""
        return self._get(uri) is not None

    def put(self, source: Path, uri: str, told: Told) -> None:
        """See `WritableStorage.put`."""
        from google.api_core.exceptions import PreconditionFailed

        with trouble_as(NotWritten, f"{uri} was not uploaded, and nothing was changed"):
            try:
                self._upload(source, uri, told, if_generation_match=0)
            except PreconditionFailed as error:
                # An upload that was repeated because its answer got lost meets itself.
                if not self._holds(uri, source):
                    raise NameTaken(uri) from error

    def write(self, uri: str, source: Path) -> None:
        """Makes the object `uri` of a file; it appears when its upload ends, in place of what was there.

        Raises:
            StorageUnavailable: it could not.
        """
        with trouble_as(StorageUnavailable, f"{uri} cannot be written"):
            self._upload(source, uri, lambda size: None, if_generation_match=None)

    def make_newest(self, file: StoredFile, above: float) -> None:
        """See `WritableStorage.make_newest`; the object gets the present time, of Cloud Storage's own clock.

        The object is rewritten onto itself, inside Cloud Storage, as `Blob.update_storage_class` does: it is then the
        newest by its creation time too, by which models are ordered and lifecycle rules delete.
        """
        from google.api_core.exceptions import NotFound, PreconditionFailed

        bucket, name = split_address(file.uri)
        blob = self.client.bucket(bucket).blob(name)
        generation = int(file.version)
        with trouble_as(NotWritten, f"{file.uri} was not made the newest"):
            try:
                blob.reload(if_generation_match=generation, retry=self.retry, timeout=TIMEOUT)
                self._rewrite_onto_itself(blob, generation)
            except (PreconditionFailed, NotFound) as error:
                raise changed_meanwhile(file) from error

    def remove(self, file: StoredFile) -> None:
        """See `WritableStorage.remove`; this very generation, or none."""
        from google.api_core.exceptions import NotFound, PreconditionFailed

        bucket, name = split_address(file.uri)
        with trouble_as(NotWritten, f"{file.uri} was not removed"):
            try:
                self.client.bucket(bucket).blob(name).delete(
                    if_generation_match=int(file.version), retry=self.retry, timeout=TIMEOUT
                )
            except NotFound:
                return
            except PreconditionFailed as error:
                if self._get(file.uri) is not None:  # else a request that was repeated has met its own doing
                    raise changed_meanwhile(file) from error

    def _upload(self, source: Path, uri: str, told: Told, if_generation_match: int | None) -> None:
        bucket, name = split_address(uri)
        blob = self.client.bucket(bucket).blob(name, chunk_size=_UPLOAD_BYTES)
        with _ToldFile(source, told) as reading:
            blob.upload_from_file(
                reading,
                size=source.stat().st_size,
                content_type="application/octet-stream",
                if_generation_match=if_generation_match,
                checksum="md5",
                retry=self.retry,
                timeout=TIMEOUT,
            )

    def _rewrite_onto_itself(self, blob: Any, generation: int) -> None:
        token = None
        while True:
            token, _, _ = blob.rewrite(
                blob,
                token=token,
                if_generation_match=generation,
                if_source_generation_match=generation,
                retry=self.retry,
                timeout=TIMEOUT,
            )
            if token is None:
                return

    def _get(self, uri: str) -> Any:
        bucket, name = split_address(uri)
        with trouble_as(StorageUnavailable, f"{uri} cannot be read"):
            return self.client.bucket(bucket).get_blob(name, retry=self.retry, timeout=TIMEOUT)

    def _holds(self, uri: str, source: Path) -> bool:
        blob = self._get(uri)
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        return blob is not None and blob.md5_hash == base64.b64encode(digest).decode()


def usable_credentials() -> Any:
    """The user's Google credentials; None where there are none.

    Raises:
        NoCredentials: there are some, and they cannot be used.
    """
    try:
        return find_credentials()
    except Exception as error:
        raise NoCredentials(
            f"the Google credentials cannot be used: {one_line(error)}; {HOW_TO_GET_CREDENTIALS}"
        ) from error


def split_address(uri: str) -> tuple[str, str]:
    """The bucket and the name of the object that `gs://BUCKET/NAME` is.

    Raises:
        InvalidAddress: it names none.
    """
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket or not name or re.search(r"[\[*?]", bucket):
        raise InvalidAddress(f"{uri} names no object; gs://BUCKET/NAME is expected")
    return bucket, name


def bucket_location(bucket: str, seconds: float) -> tuple[str, ...]:
    """Where a bucket keeps its data: its location, `US-CENTRAL1` or `EU` say, then the regions of a chosen pair.

    Args:
        bucket: its name.
        seconds: the longest wait for credentials; an emulator needs none.

    Raises:
        FileNotFoundError: there is no such bucket.
        NoCredentials: none were found in time.
        StorageUnavailable: it cannot be asked, or does not say.
    """
    from google.api_core.exceptions import GoogleAPIError, NotFound
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import storage
    from requests.exceptions import RequestException

    try:
        if os.environ.get(STORAGE_EMULATOR_HOST):
            client = storage.Client.create_anonymous_client()
        elif credentials := find_credentials(seconds):
            client = storage.Client(project="<none>", credentials=credentials)
        else:
            raise NoCredentials(f"gs:// needs Google credentials, and none were found: {HOW_TO_GET_CREDENTIALS}")
        found = client.get_bucket(bucket, timeout=_LOCATION_SECONDS, retry=None)
    except NotFound as error:
        raise FileNotFoundError(f"gs://{bucket}") from error
    except (GoogleAPIError, GoogleAuthError, RequestException, OSError) as error:
        raise StorageUnavailable(one_line(error, limit=500)) from error
    return (found.location or "", *(found.data_locations or ()))


@contextmanager
def trouble_as(trouble: Callable[[str], Exception], what: str) -> Iterator[None]:
    """Tells whatever Google's client raises as an error of this project, in one line that begins with `what`."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from requests.exceptions import RequestException

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException, OSError) as error:
        raise trouble(f"{what}: {_in_words(error)}") from error


def _as_storage_error(uri: str, error: Exception) -> Exception:
    from google.api_core.exceptions import NotFound

    if isinstance(error, NotFound):
        return FileNotFoundError(uri)
    return StorageUnavailable(f"{uri} cannot be read: {_in_words(error)}")


class _ToldFile(io.FileIO):
    """A file that tells how far it was read; an upload that begins anew takes back what it told."""

    def __init__(self, path: Path, told: Told) -> None:
        super().__init__(path)
        self._told = told

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._told(len(data or b""))
        return data or b""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        before = self.tell()
        position = super().seek(offset, whence)
        self._told(position - before)
        return position


def _in_words(error: Exception) -> str:
    """What an error means to a user, with the remedy where there is one."""
    from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, RetryError, Unauthorized
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        error = error.cause
    match error:
        case Unauthorized() | GoogleAuthError():
            return f"the Google credentials are not accepted; {HOW_TO_GET_CREDENTIALS}"
        case Forbidden():
            return "these Google credentials may not; ask for the role Storage Object User on the bucket"
        case NotFound():
            return "there is no such bucket"
    emulator = os.environ.get(STORAGE_EMULATOR_HOST)
    if emulator and not isinstance(error, GoogleAPIError):
        return f"{STORAGE_EMULATOR_HOST}={emulator} does not answer; start the emulator, or unset the variable"
    return one_line(error)
