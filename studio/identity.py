"""Which studio it is, among those that share a database: a random name that its folder keeps."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from studio.kept_file import kept

_NAME = re.compile(rb"[0-9a-f]{32}")


def studio_id(path: Path) -> str:
    """The name, 32 characters: of a file, which is made where it is missing or is no such name.

    Args:
        path: in a folder that no other process makes one in meanwhile.

    Raises:
        OSError: it cannot be read or made.
    """
    return kept(path, _is_name, _another).strip().decode("ascii")


def _is_name(content: bytes) -> bool:
    return _NAME.fullmatch(content.strip()) is not None


def _another() -> bytes:
    return f"{secrets.token_hex(16)}\n".encode()
