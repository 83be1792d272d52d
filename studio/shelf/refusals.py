"""What the page is told where a disk or the registry does not do what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import CacheUnusable, one_line
from models.storage.errors import InvalidAddress, NotWritten, StorageUnavailable, tells_of_full_disk
from studio.errors import StudioRefused, Trouble

FULL = "the disk is full; make room, then repeat it"
_LONGEST_LINE = 500


@contextmanager
def told_of_storage(doing: str) -> Iterator[None]:
    """Has whatever a disk or a registry says be told in one line.

    Args:
        doing: what cannot be done then, in a few words.

    Raises:
        StudioRefused: DISK_FULL or NOT_POSSIBLE.
    """
    try:
        yield
    except (CacheUnusable, InvalidAddress, NotWritten, StorageUnavailable, OSError) as error:
        if tells_of_full_disk(error):
            raise StudioRefused(Trouble.DISK_FULL, f"{doing}: {FULL}") from error
        raise StudioRefused(Trouble.NOT_POSSIBLE, one_line(f"{doing}: {error}", _LONGEST_LINE)) from error
