"""JSON Lines files that survive a kill: whole lines, all of them or nothing."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def appendable(path: str) -> Path:
    """The file that a local output path means; its folder is made.

    Raises:
        OSError: the folder cannot be made.
    """
    target = Path(path)
    if target.suffix != ".jsonl" and (target.is_dir() or not target.exists()):
        target = target / "records.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def append_whole(path: Path, data: bytes) -> None:
    """Appends whole lines, all of them or nothing; first cuts off half a line that a killed writer left there.

    Writers that append to one file side by side wait for each other.

    Raises:
        OSError: the disk is full, say; the file's whole lines are as they were.
    """
    with _open_to_append(path) as descriptor:
        size = os.fstat(descriptor).st_size if _is_regular(descriptor) else None
        if size is not None:
            size -= _cut_half_line(descriptor)
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError:
            if size is not None:
                os.ftruncate(descriptor, size)
            raise


def whole_records(path: Path) -> list[dict[str, Any]]:
    """What stands in a file's whole lines, which somebody may still append to; nothing where there is no file."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""
    return [json.loads(line) for line in whole.splitlines()]


def drop_half_line(path: Path) -> int:
    """Cuts off what follows the last line's end: half a line that a killed run left. Returns the bytes cut."""
    if not path.is_file():
        return 0
    with _open_to_append(path) as descriptor:
        return _cut_half_line(descriptor)


@contextlib.contextmanager
def _open_to_append(path: Path) -> Iterator[int]:
    """A descriptor that nobody else of this project writes through, where it is a file's."""
    # Whoever opens a pipe for reading too would never be told that its real reader has gone.
    mode = os.O_WRONLY if path.exists() and not path.is_file() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, mode | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        if _is_regular(descriptor):
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _cut_half_line(descriptor: int) -> int:
    size = end = os.fstat(descriptor).st_size
    if end == 0 or os.pread(descriptor, 1, end - 1) == b"\n":
        return 0
    while end > 0:
        start = max(0, end - 65536)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    os.ftruncate(descriptor, end)
    return size - end
