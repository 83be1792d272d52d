"""Which studio it is, among those that share a database: a random name that its folder keeps."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from models.storage.local_writing import sync

_NAME = re.compile(r"[0-9a-f]{32}")


def studio_id(path: Path) -> str:
    """The name, 32 characters: of a file, which is made where it is missing or is no such name.

    Args:
        path: in a folder that no other process makes one in meanwhile.

    Raises:
        OSError: it cannot be read or made.
    """
    with suppress(FileNotFoundError, UnicodeError):
        name = path.read_text(encoding="ascii").strip()
        if _NAME.fullmatch(name):
            return name
    name = secrets.token_hex(16)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(f"{name}\n")
    sync(partial)
    partial.replace(path)
    return name
