"""One studio a folder: two would take each other's drawings and runs away."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderTaken(RuntimeError):  # noqa: N818 - named for what it says
    """Another studio runs in the folder; the text is one line that says what to do."""


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Holds a folder for as long as it lasts, and no longer, however this process ends.

    Args:
        lock: a file in it, which is made where it is missing.

    Raises:
        FolderTaken: another process holds it.
        OSError: the file cannot be made.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTaken(f"another studio runs in {lock.parent}: use its page, or another --folder") from None
        yield
    finally:
        os.close(descriptor)
