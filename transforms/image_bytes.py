"""The bytes of one image file, wherever Beam's FileSystems reach, tried again where that may help."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from apache_beam.utils import retry

from models.errors import ImageError, ImageFault, typed_line
from models.images.paths import open_local
from transforms.beam_files import cause_of, http_status, is_not_found, open_as_it_is

_READ_ATTEMPTS = 5
FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 5.0

_TRANSIENT_ERRNOS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
#: Told by name, so that reading local files imports no cloud client: `requests`, `urllib3` and `google.auth`.
_TRANSIENT_NAMES = frozenset({"ChunkedEncodingError", "ProtocolError", "RetryError", "Timeout", "TransportError"})


def read_patiently(path: str, prefixes: Sequence[str], max_bytes: int, on_retry: Callable[..., None]) -> bytes:
    """The bytes of an image file.

    Args:
        path: as `resolve_image_path` resolved it.
        prefixes: below one of which the file must lie; anywhere where empty.
        max_bytes: size of the file.
        on_retry: called before each further try.

    Raises:
        ImageError: why they cannot be had; `unavailable` once waiting has not helped.
    """
    patiently = retry.with_exponential_backoff(
        num_retries=_READ_ATTEMPTS - 1,
        initial_delay_secs=FIRST_DELAY_SECONDS,
        max_delay_secs=_LONGEST_DELAY_SECONDS,
        retry_filter=_is_transient,
        logger=on_retry,
    )(_read)
    try:
        data: bytes = patiently(path, prefixes, max_bytes)
    except ImageError:
        raise
    except Exception as error:
        raise _read_error(error) from error
    return data


def _read(path: str, prefixes: Sequence[str], max_bytes: int) -> bytes:
    with open_local(path, prefixes) if path.startswith("/") else open_as_it_is(path) as file:
        size = os.fstat(file.fileno()).st_size if path.startswith("/") else max_bytes
        if size > max_bytes:
            raise ImageError(ImageFault.TOO_LARGE, f"{size} bytes; the limit is {max_bytes}")
        data: bytes = file.read(size + 1)  # a buffer of that size is made, however little there is
        if size < len(data) <= max_bytes:  # it has grown
            data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        raise ImageError(ImageFault.TOO_LARGE, f"more than {max_bytes} bytes")
    if not data:
        raise ImageError(ImageFault.EMPTY_FILE, "the file has no bytes")
    return data


def _is_transient(error: BaseException) -> bool:
    """Whether another try may help: 408, 429, any 5xx, timeouts, lost connections, a busy file system."""
    error = cause_of(error)
    status = http_status(error)
    if status is not None:
        return status in (408, 429) or status >= 500
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS:
        return True
    return any(kind.__name__ in _TRANSIENT_NAMES or kind.__name__ == "ConnectionError" for kind in type(error).__mro__)


def _read_error(error: Exception) -> ImageError:
    cause = cause_of(error)
    status = http_status(cause)
    if is_not_found(cause):
        return ImageError(ImageFault.NOT_FOUND, typed_line(cause))
    if status in (401, 403) or isinstance(cause, PermissionError):
        return ImageError(ImageFault.PERMISSION_DENIED, typed_line(cause))
    if isinstance(cause, IsADirectoryError):
        return ImageError(ImageFault.NOT_A_FILE, typed_line(cause))
    return ImageError(ImageFault.UNAVAILABLE, typed_line(cause))
