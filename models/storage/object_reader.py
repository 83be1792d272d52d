"""Whole objects of Google Cloud Storage, each in one request, by one client for many threads."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from time import monotonic
from typing import Any

from models.errors import one_line
from models.storage.cloud import (
    NO_BUCKET_METADATA,
    STORAGE_EMULATOR_HOST,
    split_address,
    usable_credentials,
)
from models.storage.credentials import HOW_TO_GET_CREDENTIALS
from models.storage.errors import StorageBusy, StorageUnavailable

_TIMEOUT = (5.0, 60.0)
_LOOK_AGAIN_SECONDS = 60.0


class ObjectReader:
    """Reads objects as they are stored; its client is made at the first read.

    Where there are no credentials it asks as nobody, which public buckets answer, and looks for some again after a
    minute. Under `STORAGE_EMULATOR_HOST` it needs none.

    Args:
        connections: how many are kept open between reads; as many as the threads that read.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._client: Any = None
        self._look_again = float("inf")

    def read(self, uri: str, most: int) -> bytes:
        """The first `most` bytes of an object, in one request that is not repeated; what is packed stays packed.

        Raises:
            FileNotFoundError: there is no such object.
            PermissionError: it may not be read.
            StorageBusy: there was no answer, half of one, or 408, 429 or 5xx: another try may help.
            StorageUnavailable: it cannot be read.
            InvalidAddress: no object can have this name.
        """
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.storage.exceptions import DataCorruption
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        bucket, name = split_address(uri)
        beginning = _Beginning(most)
        try:
            blob = self._connected().bucket(bucket).blob(name)
            with contextlib.suppress(_Enough):
                blob.download_to_file(beginning, raw_download=True, retry=None, timeout=_TIMEOUT)
        except (GoogleAPIError, GoogleAuthError, DataCorruption, RequestException, HTTPError, OSError) as error:
            raise _told(error) from error
        return beginning.getvalue()

    def close(self) -> None:
        """Ends its connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None or monotonic() > self._look_again:
                self._client = self._connect()
            return self._client

    def _connect(self) -> Any:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud import storage
        from requests.adapters import HTTPAdapter

        os.environ.setdefault(NO_BUCKET_METADATA, "true")
        emulated = bool(os.environ.get(STORAGE_EMULATOR_HOST))
        found = None if emulated else usable_credentials()
        self._look_again = float("inf") if found or emulated else monotonic() + _LOOK_AGAIN_SECONDS
        credentials = found or AnonymousCredentials()
        session = AuthorizedSession(credentials)
        session.configure_mtls_channel()
        if not session.is_mtls:  # the adapter that was put there has the client's certificate
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(pool_maxsize=self._connections))
        return storage.Client(project="<none>", credentials=credentials, _http=session)


class _Enough(Exception):  # noqa: N818 - nothing failed
    """A download has given as much as was wanted."""


class _Beginning(io.BytesIO):
    """Takes what is downloaded into it, and ends the download once that is `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any, /) -> int:
        written = super().write(data[: self._most - self.tell()])
        if self.tell() == self._most:
            raise _Enough
        return written


def _told(error: Exception) -> Exception:
    """What a failed read means, as an error of this project's or Python's own."""
    from google.api_core.exceptions import Forbidden, GoogleAPICallError, NotFound, Unauthorized
    from google.auth.exceptions import GoogleAuthError, InvalidOperation, TransportError

    detail = one_line(error)
    match error:
        case NotFound():
            return FileNotFoundError(detail)
        case InvalidOperation():  # what credentials say that cannot be renewed, since they are nobody's
            return PermissionError(f"it is not public, and there are no Google credentials: {HOW_TO_GET_CREDENTIALS}")
        case Unauthorized() | Forbidden():
            return PermissionError(detail)
        case GoogleAPICallError():
            passing = error.code in (408, 429) or (error.code or 0) >= 500
        case GoogleAuthError():
            passing = error.retryable or isinstance(error, TransportError)
        case _:
            passing = True
    return StorageBusy(detail) if passing else StorageUnavailable(detail)
