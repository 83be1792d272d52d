"""Taking a component in: each file is held against the manifest while it is copied, so that what runs was proved."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from models.artefacts import MANIFEST, Artefact, Vetted
from models.components.archive import Archive
from models.components.component import (
    CARD_FILE,
    LABELS_FILE,
    MOST_BYTES,
    MOST_MANIFEST_BYTES,
    Component,
    ComponentFile,
)
from models.components.runtimes import require_runtime
from models.errors import ComponentFault, ComponentRefused, one_line
from models.reference import ModelReference
from models.storage.local import open_no_link, open_without_waiting

_CHUNK_BYTES = 1 << 20
_MOST_CARD_BYTES = 2 << 20
"""Of a card, and of its labels: what is read of JSON takes many times its size."""


@dataclass(frozen=True, slots=True)
class OpenedComponent:
    """A component that was proved, and lies in a folder of its own.

    Attributes:
        component: what it is.
        vetted: its model, to be loaded; its reference is of the component, since one source makes several.
    """

    component: Component
    vetted: Vetted


class _Source(Protocol):
    """Where a component's files come from."""

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """One of them.

        Raises:
            ComponentRefused: it is not there, or is no plain file.
        """

    def require_only(self, names: set[str]) -> None:
        """Refuses what brings more files than these, where whoever packed them chose them.

        Raises:
            ComponentRefused: `unsafe_name`.
        """


def open_component(path: Path, folder: Path, *, is_for_here: bool = True) -> OpenedComponent:
    """Copies a component into a folder, proving on the way what its manifest says.

    Names, sizes and kinds of what is read are not trusted: nothing is written but files that the manifest lists, of
    the size that it says, in `folder`. What has another digest is refused.

    Args:
        path: an archive, an unpacked folder, or a link to either.
        folder: an empty one.
        is_for_here: whether this machine is to run it, and needs its runtime.

    Raises:
        ComponentRefused: with the reason.
        OSError: of this machine; a full disk, say.
    """
    try:
        if path.is_dir():
            return _taken_in(_Folder(path.resolve(strict=True)), folder, is_for_here)
        with open(path, "rb", opener=open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ComponentRefused(ComponentFault.NOT_A_COMPONENT, "it is neither a file nor a folder")
            return _taken_in(_Archived(Archive(file)), folder, is_for_here)
    except FileNotFoundError as error:
        raise ComponentRefused(ComponentFault.NOT_FOUND, f"there is no {error.filename or path}") from error


def _taken_in(source: _Source, folder: Path, is_for_here: bool) -> OpenedComponent:
    with source.open(MANIFEST) as reading:
        written = reading.read(MOST_MANIFEST_BYTES + 1)
    if len(written) > MOST_MANIFEST_BYTES:
        raise ComponentRefused(ComponentFault.TOO_LARGE, f"its {MANIFEST} is larger than {MOST_MANIFEST_BYTES:,} bytes")
    component = Component.decode(written)
    source.require_only({MANIFEST, *(file.name for file in component.files)})
    if is_for_here:
        require_runtime(component.runtime)
    _require_room(component, folder)
    for file in component.files:
        with source.open(file.name) as reading:
            _copy_proved(reading, file, folder / file.name)
    (folder / MANIFEST).write_bytes(written)
    # Of the manifest's digest, which covers every file's.
    reference = ModelReference(component.stem, hashlib.sha256(written).hexdigest())
    manifest = component.manifest(_card(component, folder))
    return OpenedComponent(component, Vetted(reference, Artefact(folder, manifest)))


def _require_room(component: Component, folder: Path) -> None:
    for file in component.files:
        if file.name in (CARD_FILE, LABELS_FILE) and file.size > _MOST_CARD_BYTES:
            raise ComponentRefused(
                ComponentFault.TOO_LARGE, f"its {file.name} is larger than {_MOST_CARD_BYTES:,} bytes"
            )
    needed, free = sum(file.size for file in component.files), shutil.disk_usage(folder).free
    if needed > MOST_BYTES:
        raise ComponentRefused(ComponentFault.TOO_LARGE, f"its {needed:,} bytes are more than {MOST_BYTES:,}")
    if needed > free:  # which may change
        raise OSError(errno.ENOSPC, f"its {needed:,} bytes are more than there is room for, {free:,}", str(folder))


def _copy_proved(reading: IO[bytes], file: ComponentFile, target: Path) -> None:
    """Copies no more than a file's size.

    Raises:
        ComponentRefused: `wrong_digest`; it has another size, or other bytes.
    """
    sha256, left = hashlib.sha256(), file.size
    with target.open("xb") as writing:
        while chunk := reading.read(min(_CHUNK_BYTES, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            sha256.update(chunk)
            writing.write(chunk)
    if left:
        raise ComponentRefused(
            ComponentFault.WRONG_DIGEST, f"{file.name} has not the {file.size:,} bytes that its manifest says"
        )
    if sha256.hexdigest() != file.sha256:
        raise ComponentRefused(ComponentFault.WRONG_DIGEST, f"{file.name} holds other bytes than its manifest says")


def _card(component: Component, folder: Path) -> dict[str, Any]:
    """The whole card, of files that were proved.

    Raises:
        ComponentRefused: `not_a_component`.
    """
    names = {file.name for file in component.files}
    try:
        card = json.loads((folder / CARD_FILE).read_bytes()) if CARD_FILE in names else {}
        labels = json.loads((folder / LABELS_FILE).read_bytes()) if LABELS_FILE in names else []
        return dict(card) | {"labels": labels}
    except (ValueError, TypeError, RecursionError) as error:
        raise ComponentRefused(ComponentFault.NOT_A_COMPONENT, f"its card is none: {one_line(error)}") from error


class _Archived:
    """A `_Source` that is an archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """See `_Source.open`."""
        return self._archive.open(name)

    def require_only(self, names: set[str]) -> None:
        """See `_Source.require_only`."""
        if more := sorted(self._archive.names - names):
            raise ComponentRefused(
                ComponentFault.UNSAFE_NAME, f"it holds {ascii(more[0])[:100]}, which its manifest does not list"
            )


class _Folder:
    """A `_Source` that is a folder; a device may keep more in it than came with the component."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """See `_Source.open`; links are not followed."""
        path = self._folder / name
        if path.is_symlink():
            raise ComponentRefused(ComponentFault.UNSAFE_NAME, f"{name} in it is a link")
        with open(path, "rb", opener=open_no_link) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ComponentRefused(ComponentFault.UNSAFE_NAME, f"{name} in it is no plain file")
            yield file

    def require_only(self, names: set[str]) -> None:
        """See `_Source.require_only`."""
