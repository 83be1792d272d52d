"""The bytes of one image file, on this machine's disks or in a bucket, tried again where that may help."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence

from apache_beam.utils import retry

from models.errors import ImageError, ImageFault, typed_line
from models.images.paths import open_local
from models.storage.errors import StorageBusy
from models.storage.object_reader import ObjectReader

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


def read_patiently(
    path: str, prefixes: Sequence[str], max_bytes: int, objects: ObjectReader, on_retry: Callable[..., None]
) -> bytes:
    """The bytes of an image file.

    Args:
        path: as `resolve_image_path` resolved it.
        prefixes: below one of which the file must lie; anywhere where empty.
        max_bytes: size of the file.
        objects: reads what is in a bucket.
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
        data: bytes = patiently(path, prefixes, max_bytes, objects)
    except ImageError:
        raise
    except Exception as error:
        raise _read_error(error) from error
    return data


def _read(path: str, prefixes: Sequence[str], max_bytes: int, objects: ObjectReader) -> bytes:
    data = _read_local(path, prefixes, max_bytes) if path.startswith("/") else objects.read(path, max_bytes + 1)
    if len(data) > max_bytes:
        raise ImageError(ImageFault.TOO_LARGE, f"more than {max_bytes} bytes")
    if not data:
        raise ImageError(ImageFault.EMPTY_FILE, "the file has no bytes")
    return data


def _read_local(path: str, prefixes: Sequence[str], max_bytes: int) -> bytes:
    with open_local(path, prefixes) as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ImageError(ImageFault.TOO_LARGE, f"{size} bytes; the limit is {max_bytes}")
        data = file.read(size + 1)  # a buffer of that size is made, however little there is
        if size < len(data) <= max_bytes:  # it has grown
            data += file.read(max_bytes + 1 - len(data))
    return data


def _is_transient(error: BaseException) -> bool:
    """Whether another try may help: the storage is busy, or the file system is."""
    if isinstance(error, StorageBusy | ConnectionError | TimeoutError):
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS


def _read_error(error: Exception) -> ImageError:
    if isinstance(error, FileNotFoundError):
        return ImageError(ImageFault.NOT_FOUND, typed_line(error))
    if isinstance(error, PermissionError):
        return ImageError(ImageFault.PERMISSION_DENIED, typed_line(error))
    if isinstance(error, IsADirectoryError):
        return ImageError(ImageFault.NOT_A_FILE, typed_line(error))
    return ImageError(ImageFault.UNAVAILABLE, typed_line(error))
