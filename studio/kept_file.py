"""What a studio has drawn at random once, and keeps in a file that is its owner's alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from models.storage.local_writing import sync


def kept(path: Path, is_whole: Callable[[bytes], bool], draw: Callable[[], bytes]) -> bytes:
    """What the file holds; it is made where it is missing, or holds something else.

    Args:
        path: in a folder where no other process makes it meanwhile.
        is_whole: whether a file's content is such a thing.
        draw: makes another.

    Raises:
        OSError: it cannot be read or made.
    """
    with suppress(FileNotFoundError):
        content = path.read_bytes()
        if is_whole(content):
            return content
    content = draw()
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
    sync(partial)
    partial.replace(path)
    return content
