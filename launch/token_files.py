"""Files that hold a device's token, which nobody but their owner can read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from launch.command_line import CommandFailed, CommandRefused
from models.storage.local_writing import sync

_ROOM = 4096
"""Bytes that are taken beforehand: a disk that is full says so while there is no token yet."""


@contextmanager
def new_token_file(path: Path) -> Iterator[Callable[[str], None]]:
    """Makes a file that its owner alone can read, and yields what writes a token into it, onto the disk.

    Nothing is ever written over another file, nor through a link. Where the block fails, the file goes again.

    Args:
        path: of the file; its folder is there.

    Raises:
        CommandRefused: there is a file of this name, or no such folder.
        CommandFailed: it cannot be written.
    """
    if path.is_dir():
        raise CommandRefused(f"--token-file is to be a new file, and {str(path)!r} is a folder")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise CommandRefused(f"{path} is there, and a token is never written over a file; name another") from error
    except FileNotFoundError as error:
        raise CommandRefused(f"{path} cannot be made: its folder is not there") from error
    except OSError as error:
        raise _not_written(path, error) from error
    with open(descriptor, "w", encoding="ascii") as file:

        def write(token: str) -> None:
            try:
                file.write(f"{token}\n")
                file.flush()
                file.truncate()
                os.fsync(descriptor)
                sync(path.absolute().parent)
            except OSError as error:
                raise _not_written(path, error) from error

        try:
            try:
                os.fchmod(descriptor, 0o600)  # whatever the umask left of it
                os.posix_fallocate(descriptor, 0, _ROOM)
            except OSError as error:
                raise _not_written(path, error) from error
            yield write
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise


def _not_written(path: Path, error: OSError) -> CommandFailed:
    return CommandFailed(f"{path} cannot be written: {error.strerror or error}")
