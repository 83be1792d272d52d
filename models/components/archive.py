"""The archive of a component, read as a stranger's: what it holds is known before anything of it is unpacked."""

from __future__ import annotations

import errno
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

from models.components.component import MOST_FILES
from models.errors import ComponentFault, ComponentRefused, one_line

_END = struct.Struct("<4s4H2LH")
"""The last record of an archive: signature, disks, members here and in all, size and place of their list, comment."""
_END_SIGNATURE, _LOCATOR_SIGNATURE = b"PK\x05\x06", b"PK\x06\x07"
_LOCATOR_BYTES = 20
_MOST_LIST_BYTES = 1 << 16
_ENCRYPTED = 0x1
_KINDS = 0o170000
_REGULAR = 0o100000
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, LookupError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Archive:
    """An open archive whose members' names and kinds are within limits.

    Args:
        file: at any place; whoever opened it closes it.

    Raises:
        ComponentRefused: `not_a_component`, `unsafe_name` or `too_large`.
        OSError: it cannot be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        _require_small_list(file)
        with _damage_is_a_refusal():
            self._zip = zipfile.ZipFile(file)
        members = self._zip.infolist()
        self._members = {member.filename: member for member in members}
        if len(self._members) != len(members):
            raise ComponentRefused(ComponentFault.UNSAFE_NAME, "it holds two files of one name")
        for member in members:
            _require_plain(member)
        if members and 0 not in {member.header_offset for member in members}:
            raise ComponentRefused(ComponentFault.NOT_A_COMPONENT, "something else comes before the archive begins")

    @property
    def names(self) -> set[str]:
        """Of all its files."""
        return set(self._members)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A file, to be read.

        Raises:
            ComponentRefused: `not_a_component`; it is not there, or damaged.
        """
        if name not in self._members:
            raise ComponentRefused(ComponentFault.NOT_A_COMPONENT, f"it holds no {name}")
        with _damage_is_a_refusal(), self._zip.open(self._members[name]) as reading:
            yield reading


def _require_small_list(file: BinaryIO) -> None:
    """Refuses a list of members that would fill memory: `zipfile` reads the whole of it."""
    end = file.seek(0, os.SEEK_END) - _END.size
    if end >= 0:
        start = max(0, end - _LOCATOR_BYTES)
        file.seek(start)
        last = file.read()
        signature, _, _, _, members, size, _, comment = _END.unpack(last[end - start :])
        if signature == _END_SIGNATURE and not comment and not last.startswith(_LOCATOR_SIGNATURE):
            if members <= MOST_FILES + 1 and size <= _MOST_LIST_BYTES:
                return
            raise ComponentRefused(ComponentFault.TOO_LARGE, f"it holds more than {MOST_FILES} files")
    raise ComponentRefused(
        ComponentFault.NOT_A_COMPONENT, "it is no ZIP archive of `hotswap package`, or was cut; copy it again"
    )


def _require_plain(member: zipfile.ZipInfo) -> None:
    kind = member.external_attr >> 16 & _KINDS
    if kind not in (0, _REGULAR) or member.filename.endswith("/"):
        raise ComponentRefused(ComponentFault.UNSAFE_NAME, f"{ascii(member.filename)[:100]} in it is no plain file")
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
        raise ComponentRefused(ComponentFault.NOT_A_COMPONENT, "it is encrypted, or packed in a way that is not read")


@contextmanager
def _damage_is_a_refusal() -> Iterator[None]:
    """Tells what `zipfile` raises for a damaged file in this project's words; errors of the disk stay what they are."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # of a place before the file's beginning
            raise _damaged(error) from error
        raise


def _damaged(error: Exception) -> ComponentRefused:
    return ComponentRefused(ComponentFault.NOT_A_COMPONENT, f"it is damaged: {one_line(error)}")
