"""Model files in Google Cloud Storage, as the commands for data scientists list, read and write them.

The job itself reads through Beam. These commands also write, with preconditions that Beam's FileSystems do not know,
and they must not wait for credentials that a laptop does not have.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
from pathlib import Path
from typing import Any, BinaryIO

import google.auth
from google.api_core.exceptions import Forbidden, GoogleAPIError, NotFound, PreconditionFailed, RetryError, Unauthorized
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.exceptions import RequestException

from launch.command_line import LaunchError, LaunchFailed
from models.errors import StorageUnavailable, one_line
from models.publishing import NameTaken
from models.storage import ReadableFile, StoredFile

CREDENTIALS_SECONDS = 5.0
HOW_TO_GET_CREDENTIALS = (
    "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
)

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_READ_BYTES = 8 << 20
_UPLOAD_BYTES = 8 << 20
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 60.0
_TIMEOUT = (_CONNECT_SECONDS, _ANSWER_SECONDS)
_RETRY_SECONDS, _EMULATOR_RETRY_SECONDS = 15.0, 2.0
_TROUBLE = (GoogleAPIError, GoogleAuthError, RequestException, OSError)


def find_credentials(seconds: float = CREDENTIALS_SECONDS) -> Any:
    """The user's Google credentials; None where there are none, or none are found in time.

    Off Google's machines the search ends by asking a metadata server that is not there, for up to 20 s: hence a
    thread, and a limit.

    Raises:
        Exception: whatever google-auth raises for credentials that are there and cannot be used.
    """
    found: list[Any] = []
    failed: list[Exception] = []

    def look() -> None:
        try:
            found.append(google.auth.default(scopes=[_SCOPE])[0])
        except Exception as error:  # raised again in the thread that asks
            if not isinstance(error, DefaultCredentialsError) or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
                failed.append(error)

    thread = threading.Thread(target=look, name="find credentials", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    return found[0] if found else None


class CloudStorage:
    """The buckets that the user may use, or the emulator that `STORAGE_EMULATOR_HOST` names.

    Args:
        client: Google's own.
        retry_seconds: how long requests that fail are repeated before the user is told.
    """

    def __init__(self, client: storage.Client, retry_seconds: float = _RETRY_SECONDS) -> None:
        self._client = client
        self._retry = DEFAULT_RETRY.with_timeout(retry_seconds)

    @classmethod
    def connect(cls) -> CloudStorage:
        """Finds credentials; an emulator needs none.

        Raises:
            LaunchError: there are none, or they cannot be used.
        """
        if os.environ.get("STORAGE_EMULATOR_HOST"):
            return cls(storage.Client.create_anonymous_client(), _EMULATOR_RETRY_SECONDS)
        try:
            credentials = find_credentials()
        except Exception as error:
            raise LaunchError(f"the Google credentials cannot be used: {error}; {HOW_TO_GET_CREDENTIALS}") from error
        if credentials is None:
            raise LaunchError(f"gs:// needs Google credentials, and none were found: {HOW_TO_GET_CREDENTIALS}")
        return cls(storage.Client(project="<none>", credentials=credentials))

    def list(self, pattern: str) -> list[StoredFile]:
        """See `models.storage.Storage.list`; patterns mean what they mean to the job."""
        from apache_beam.io.filesystem import FileSystem

        bucket, name = _split(pattern)
        wanted = re.compile(FileSystem.translate_pattern(pattern))
        prefix = re.split(r"[\[*?]", name, maxsplit=1)[0]
        try:
            blobs = list(self._client.list_blobs(bucket, prefix=prefix, retry=self._retry, timeout=_TIMEOUT))
        except _TROUBLE as error:
            raise StorageUnavailable(f"gs://{bucket} cannot be listed: {_in_words(error)}") from error
        return [
            StoredFile(
                uri=f"gs://{bucket}/{blob.name}",
                size=int(blob.size or 0),
                # The time that Beam, and so the job, takes for the time of the last modification.
                modified=blob.updated.timestamp(),
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
        return _Reading(
            uri, pinned.open("rb", chunk_size=_READ_BYTES, raw_download=True, retry=self._retry, timeout=_TIMEOUT)
        )

    def exists(self, uri: str) -> bool:
        """Whether there is an object of this name now.

        Raises:
            StorageUnavailable: the storage gave no answer.
        """
        return self._get(uri) is not None

    def upload(self, source: Path, reading: BinaryIO, uri: str) -> None:
        """Writes a new object, which appears whole or not at all, and replaces none.

        Args:
            source: the file.
            reading: the same file, open; whoever passes it may count what is read of it.
            uri: `gs://bucket/name`.

        Raises:
            NameTaken: another object took the name first.
            LaunchFailed: the upload did not succeed.
        """
        bucket, name = _split(uri)
        blob = self._client.bucket(bucket).blob(name, chunk_size=_UPLOAD_BYTES)
        try:
            blob.upload_from_file(
                reading,
                size=source.stat().st_size,
                content_type="application/octet-stream",
                if_generation_match=0,
                checksum="md5",
                retry=self._retry,
                timeout=_TIMEOUT,
            )
        except PreconditionFailed as error:
            # An upload that was repeated because its answer got lost meets itself.
            if not self._holds(uri, source):
                raise NameTaken(uri) from error
        except _TROUBLE as error:
            raise LaunchFailed(f"{uri} was not uploaded, and nothing was changed: {_in_words(error)}") from error

    def make_newest(self, file: StoredFile) -> None:
        """Gives an object the present time as its modification time; its name and bytes stay.

        The object is rewritten onto itself, inside Cloud Storage, as `Blob.update_storage_class` does. Patching its
        metadata would do for Beam, which looks at `updated`; but the object would keep its creation time, by which
        lifecycle rules delete, and a model that was just brought back could vanish tonight.

        Raises:
            LaunchFailed: it was written or deleted since it was listed, or may not be written.
        """
        bucket, name = _split(file.uri)
        blob = self._client.bucket(bucket).blob(name)
        generation = int(file.version)
        token = None
        try:
            blob.reload(if_generation_match=generation, retry=self._retry, timeout=_TIMEOUT)
            while True:
                token, _, _ = blob.rewrite(
                    blob,
                    token=token,
                    if_generation_match=generation,
                    if_source_generation_match=generation,
                    retry=self._retry,
                    timeout=_TIMEOUT,
                )
                if token is None:
                    return
        except (PreconditionFailed, NotFound) as error:
            raise LaunchFailed(f"{file.uri} changed meanwhile, and was left alone; look again and repeat") from error
        except _TROUBLE as error:
            raise LaunchFailed(f"{file.uri} was not made the newest: {_in_words(error)}") from error

    def _get(self, uri: str) -> Any:
        bucket, name = _split(uri)
        try:
            return self._client.bucket(bucket).get_blob(name, retry=self._retry, timeout=_TIMEOUT)
        except _TROUBLE as error:
            raise StorageUnavailable(f"{uri} cannot be read: {_in_words(error)}") from error

    def _holds(self, uri: str, source: Path) -> bool:
        blob = self._get(uri)
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        return blob is not None and blob.md5_hash == base64.b64encode(digest).decode()


class _Reading:
    """An open object whose errors are told in this project's words."""

    def __init__(self, uri: str, file: Any) -> None:
        self._uri = uri
        self._file = file

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except NotFound as error:
            raise FileNotFoundError(self._uri) from error
        except _TROUBLE as error:
            raise StorageUnavailable(f"{self._uri} cannot be read: {_in_words(error)}") from error
        return data

    def close(self) -> None:
        self._file.close()


def _split(uri: str) -> tuple[str, str]:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket or not name or re.search(r"[\[*?]", bucket):
        raise LaunchError(f"{uri} names no object; gs://BUCKET/NAME is expected")
    return bucket, name


def _in_words(error: Exception) -> str:
    """What an error means to a user, with the remedy where there is one."""
    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        error = error.cause
    match error:
        case Unauthorized() | GoogleAuthError():
            return f"the Google credentials are not accepted; {HOW_TO_GET_CREDENTIALS}"
        case Forbidden():
            return "these Google credentials may not; ask for the role Storage Object User on the bucket"
        case NotFound():
            return "there is no such bucket"
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator and not isinstance(error, GoogleAPIError):
        return f"STORAGE_EMULATOR_HOST={emulator} does not answer; start the emulator, or unset the variable"
    return one_line(error)
