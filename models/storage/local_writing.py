"""Writing on this machine's disks: each file appears in one step."""

from __future__ import annotations

import errno
import io
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from models.model_files import LONGEST_STEM
from models.storage.errors import NameTaken, NotWritten
from models.storage.files import StoredFile, Told, changed_meanwhile
from models.storage.local import stored_file

_CHUNK_BYTES = 1 << 20


def put_locally(source: Path, target: str, told: Told = lambda size: None) -> None:
    """Copies a file to `target` in one step: nobody ever sees a part of it, and no file is replaced.

    Raises:
        NameTaken: there is a file of this name.
        OSError: the folder cannot be written.
    """
    with source.open("rb") as reading, _whole_copy(reading, Path(target), told) as partial:
        _name_once(partial, Path(target))


def replace_locally(source: Path, target: str) -> None:
    """Like `put_locally`, but a file of this name is replaced.

    Raises:
        OSError: the folder cannot be written.
    """
    with source.open("rb") as reading, _whole_copy(reading, Path(target)) as partial:
        partial.replace(target)


def write_locally(data: bytes, target: str) -> None:
    """Makes the file `target` of `data`, in one step; a file of this name is replaced.

    Raises:
        OSError: the folder cannot be written.
    """
    with _whole_copy(io.BytesIO(data), Path(target)) as partial:
        partial.replace(target)


@contextmanager
def _whole_copy(reading: BinaryIO, target: Path, told: Told = lambda size: None) -> Iterator[Path]:
    """A copy on the disk, under a hidden name beside `target` that no pattern for models matches; to be named."""
    partial = target.with_name(f".{target.name[:LONGEST_STEM]}.partial-{secrets.token_hex(4)}")
    try:
        with partial.open("xb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                writing.write(chunk)
                told(len(chunk))
            writing.flush()
            os.fsync(writing.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _name_once(partial: Path, target: Path) -> None:
    """Gives `partial` its name, unless that is taken: `rename` would replace, `link` refuses."""
    try:
        os.link(partial, target)
    except FileExistsError as error:
        raise NameTaken(str(target)) from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        _reserve_and_rename(partial, target)


def _reserve_and_rename(partial: Path, target: Path) -> None:
    """For file systems without hard links: an empty file takes the name first.

    A watcher that looks in between sees a file that does not hold still yet, and leaves it alone.
    """
    try:
        target.open("xb").close()
    except FileExistsError as error:
        raise NameTaken(str(target)) from error
    try:
        partial.replace(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can; the file itself is on the disk
        sync(folder)


def sync(path: Path) -> None:
    """Has a file, or the names in a folder, be on the disk whatever happens to the power.

    Raises:
        OSError: it cannot be opened, or its file system cannot.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_newest_locally(file: StoredFile, above: float) -> None:
    """See `WritableStorage.make_newest`.

    Raises:
        NotWritten: it has changed, is gone, or may not be touched.
    """
    now = time.time()
    # A file of this folder may bear a time to come, from a machine whose clock is ahead.
    times = None if now > above else (now, above + 1.0)
    try:
        # The open file is the one that is compared and touched, whatever takes its name meanwhile.
        descriptor = os.open(file.uri, os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime) != (file.size, file.modified):
                raise changed_meanwhile(file)
            os.utime(descriptor if os.utime in os.supports_fd else file.uri, times)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NotWritten(
            f"{file.uri} cannot be made the newest: {error.strerror or error}; publish it again instead"
        ) from error


def remove_locally(file: StoredFile) -> None:
    """See `WritableStorage.remove`; of a link it removes the link.

    Raises:
        NotWritten: it has changed, or may not be removed.
    """
    path = Path(file.uri)
    try:
        now = stored_file(file.uri)
        if now is None and not os.path.lexists(path):
            return
        if now is None or now.version != file.version:
            raise changed_meanwhile(file)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise NotWritten(f"{file.uri} cannot be removed: {error.strerror or error}") from error
    _sync_folder(path.parent)
