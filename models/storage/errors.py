"""What a storage says where it cannot do what it was asked."""

from __future__ import annotations

import errno
import os

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Of errors: there is no room, for anybody or for this user."""


_SAID_BY_LIBRARIES = (os.strerror(errno.ENOSPC), "database or disk is full")
"""In the text of errors without a number: HDF5's, SQLite's."""


def tells_of_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that there is no room."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            return True
        if any(text in str(error) for text in _SAID_BY_LIBRARIES):
            return True
        error = error.__cause__ or error.__context__
    return False


class StorageUnavailable(Exception):  # noqa: N818 - named for the state it reports
    """The storage could not be asked, or gave no answer; nothing is known about the file."""


class StorageBusy(StorageUnavailable):
    """It gave no answer this time; another try may help."""


class NoCredentials(StorageUnavailable):
    """There are no Google credentials, or they cannot be used; the text says how to get some."""


class InvalidAddress(ValueError):  # noqa: N818 - named for the state it reports
    """An address that no file can have; its text is one line."""


class NotWritten(Exception):  # noqa: N818 - named for the state it reports
    """A file could not be written, and nothing was changed; its text is one line."""


class NameTaken(NotWritten):
    """There is a file under this name already, and it is not replaced.

    Attributes:
        uri: the name.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} exists, and is not replaced; choose another name, or give the folder alone")
        self.uri = uri

    def __reduce__(self) -> tuple[type[NameTaken], tuple[str]]:
        return type(self), (self.uri,)
