"""Whether components still are what they were when they came: disks lose bits, and people change files."""

from __future__ import annotations

import hashlib
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from edge.backoff import jittered
from models.artefacts import MANIFEST
from models.components.component import MOST_MANIFEST_BYTES, Component
from models.errors import ComponentRefused
from models.reference import sha256_of
from models.storage.local import read_start

PROVED_AGAIN_SECONDS = 24 * 3600.0
"""After which the bytes of a component are read once more, though nothing about its files changed."""

_Signs = tuple[tuple[str, int, int, int, int], ...]
"""The names, inodes, sizes and times of a component's files."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A component that was whole.

    Attributes:
        signs: that it had then.
        until: the moment until which it is taken for whole.
    """

    signs: _Signs
    until: float


class Intact:
    """Remembers which components were whole, so that asking costs little. One thread uses it."""

    def __init__(self) -> None:
        self._found: dict[Path, _Found] = {}

    def is_intact(self, folder: Path, manifest: str, anew: bool = False) -> bool:
        """Whether each file of a component lies in a folder with the bytes that its manifest says.

        Bytes are read again once something about a file changed, and about once a day.

        Args:
            folder: of the component.
            manifest: SHA-256 of the manifest that it came with.
            anew: read its bytes whatever is known of it.
        """
        known = self._found.pop(folder, None)
        try:
            if folder.is_symlink():
                return False
            signs = _signs(folder)
            if anew or known is None or known.signs != signs or time.monotonic() >= known.until:
                if not _is_whole(folder, manifest):
                    return False
                known = _Found(signs, time.monotonic() + jittered(PROVED_AGAIN_SECONDS))
        except (OSError, ComponentRefused):
            return False
        self._found[folder] = known
        return True


def manifest_in(folder: Path) -> bytes:
    """What the manifest of a component holds.

    Raises:
        OSError: there is none.
    """
    return read_start(folder / MANIFEST, MOST_MANIFEST_BYTES)


def _signs(folder: Path) -> _Signs:
    statuses = [(path.name, path.lstat()) for path in sorted(folder.iterdir())]
    return tuple((name, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for name, each in statuses)


def _is_whole(folder: Path, manifest: str) -> bool:
    written = manifest_in(folder)
    if hashlib.sha256(written).hexdigest() != manifest:
        return False
    return all(
        stat.S_ISREG((status := (path := folder / file.name).lstat()).st_mode)
        and status.st_size == file.size
        and sha256_of(path) == file.sha256
        for file in Component.decode(written).files
    )
