"""Files on this machine's disks: listed and opened."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from models.storage.errors import StorageUnavailable
from models.storage.files import ReadableFile, StoredFile

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class LocalStorage:
    """Files on this machine's disks."""

    def list(self, pattern: str) -> list[StoredFile]:
        """See `Storage.list`; patterns are `glob`'s: `*`, `?`, `[…]`, and `**` which crosses folders.

        Unlike `glob`, which takes a folder that cannot be read for an empty one, this says so. A folder that does not
        exist is empty, and one below the pattern's fixed part that this user may not read is passed over.
        """
        folder, *parts = _split(pattern)
        try:
            paths = dict.fromkeys(_matches(folder, parts, fixed=True))
            return [file for path in paths if (file := stored_file(path)) is not None]
        except OSError as error:
            raise StorageUnavailable(f"{error.filename or pattern}: {error.strerror or error}") from error

    def open(self, uri: str) -> ReadableFile:
        """See `Storage.open`; what is no regular file counts as not there."""
        try:
            file = open(uri, "rb", opener=open_without_waiting)  # noqa: SIM115 - the caller closes it
        except (FileNotFoundError, IsADirectoryError) as error:
            raise FileNotFoundError(f"{uri}: {error.strerror}") from error
        except OSError as error:
            raise StorageUnavailable(f"{uri}: {error.strerror or error}") from error
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise FileNotFoundError(f"{uri} is no regular file")
        return file


def open_without_waiting(path: str, flags: int) -> int:
    """A named pipe without a writer would otherwise be waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def open_no_link(path: str, flags: int) -> int:
    """The same, for `open` of what is no link."""
    return open_without_waiting(path, flags | os.O_NOFOLLOW)


def read_start(path: Path, most: int) -> bytes:
    """A regular file's first bytes, so many at most; a pipe or a device is not waited for.

    Raises:
        OSError: it is none, or cannot be read.
    """
    with open(path, "rb", opener=open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        return file.read(most)


def _split(pattern: str) -> list[str]:
    """The folder that a pattern begins in, as it is written, and the parts that follow."""
    parts = pattern.split("/")
    fixed = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    folder = "/".join(parts[:fixed])
    if folder or not fixed:
        return [folder, *parts[fixed:]]
    return ["/", *parts[fixed:]]


def _matches(folder: str, parts: list[str], fixed: bool) -> Iterator[str]:
    """The paths below `folder` that match `parts`.

    Raises:
        OSError: a folder cannot be listed.
    """
    part, *rest = parts
    if not glob.has_magic(part):
        path = os.path.join(folder, part)  # noqa: PTH118 - keeps the pattern's form
        yield from _matches(path, rest, fixed) if rest else [path]
        return
    if part == "**" and rest:
        yield from _matches(folder, rest, fixed)
    for entry in _entries(folder, fixed):
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if hidden or not (part == "**" or fnmatch.fnmatchcase(entry.name, part)):
            continue
        path = os.path.join(folder, entry.name)  # noqa: PTH118 - keeps the pattern's form
        if part == "**":
            if entry.is_dir(follow_symlinks=False):
                yield from _matches(path, parts, fixed=False)
            elif not rest:
                yield path
        else:
            yield from _matches(path, rest, fixed=False) if rest else [path]


def _entries(folder: str, fixed: bool) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder or ".") as entries:
            return list(entries)
    except OSError as error:
        if error.errno in _NOT_THERE or (error.errno == errno.EACCES and not fixed):
            return []
        raise


def stored_file(path: str) -> StoredFile | None:
    """A regular file, or what a link of this name leads to; None where there is none that may be looked at.

    Raises:
        OSError: nobody knows.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - a str in, and no Path needed
    except OSError as error:
        if error.errno in (*_NOT_THERE, errno.EACCES):
            return None
        raise
    if not stat.S_ISREG(status.st_mode):
        return None
    version = f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"
    return StoredFile(path, status.st_size, status.st_mtime, version, finished=False)


def is_being_written(path: str) -> bool:
    """Whether a process of this machine that we may look at holds `path` open for writing.

    Reads Linux' /proc, without opening the file; elsewhere the answer is False.
    """
    wanted = os.path.realpath(path)
    for fd in glob.iglob("/proc/[0-9]*/fd/*"):  # noqa: PTH207 - entries vanish while we look
        try:
            if os.readlink(fd) != wanted:  # noqa: PTH115
                continue
            flags = Path(fd.replace("/fd/", "/fdinfo/")).read_text().split("flags:")[1].split()[0]
        except (OSError, IndexError):
            continue
        if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
            return True
    return False
