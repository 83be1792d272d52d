"""Single files by Beam's FileSystems: opened as they are, with the cause of what Beam wraps."""

from __future__ import annotations

from typing import Any

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems


def open_as_it_is(path: str) -> Any:
    """An open file; by default Beam would unpack one that is called .gz.

    Raises:
        Exception: each file system has errors of its own; `cause_of` finds them.
    """
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def create_as_it_is(path: str, mime_type: str = "application/octet-stream") -> Any:
    """A new file, open for writing.

    Raises:
        Exception: each file system has errors of its own.
    """
    return FileSystems.create(path, mime_type, CompressionTypes.UNCOMPRESSED)


def cause_of(error: BaseException) -> BaseException:
    """What Beam wrapped: it hides a storage client's own error in the details of a `BeamIOError`."""
    details = error.exception_details if isinstance(error, BeamIOError) else None
    causes = [cause for cause in (details or {}).values() if isinstance(cause, BaseException)]
    return causes[0] if causes else error


def http_status(error: BaseException) -> int | None:
    """The status that a storage answered with; None where the error is of another kind."""
    for name in ("code", "status_code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return int(status)
    return None


def is_not_found(error: BaseException) -> bool:
    """Whether the storage says that there is no such file."""
    cause = cause_of(error)
    return isinstance(cause, FileNotFoundError) or http_status(cause) == 404
