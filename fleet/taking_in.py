"""Taking a component in that was packed elsewhere: proved, put on the shelf, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fleet.errors import NoSuchRelease
from fleet.releases import Release, Releases, release_taken
from fleet.shelving import is_shelved, place_of, put, put_back
from models.components.component import Component
from models.components.opening import open_component
from models.components.twin import LONGEST_SIGNATURE
from models.errors import ComponentFault, ComponentRefused
from models.reference import sha256_of
from models.releasing.release import fetch
from models.releasing.shelf import Shelved
from models.signatures.beside import SIGNATURE_SUFFIX, read_signature
from models.storage import Told, WritableStorage

_TERMS = "packed elsewhere"


def take_in(
    storage: WritableStorage,
    releases: Releases,
    archive: str,
    shelf: str,
    folder: Path,
    clock: Callable[[], float],
    told: Callable[[Shelved], Told],
) -> Release:
    """Has an archive, and the signature beside it, be on the shelf and on record, once.

    Nothing of the archive is trusted: it is proved as a device would before anything is written.

    Args:
        storage: where it is, and the shelf.
        releases: those on record.
        archive: its address, as `hotswap package` told it.
        shelf: an absolute folder or an address in a bucket.
        folder: an empty one, for as long as this takes.
        clock: wall-clock seconds.
        told: is given each file before it is written, and gives what is told how far it is.

    Returns:
        what is on record: the same archive may have been there before, and is on the shelf again where it was lost.

    Raises:
        ComponentRefused: with the reason.
        ReleaseTaken, VersionTaken: its version is there with other content.
        ModelRejected: its signature is too large for one.
        FileNotFoundError, StorageUnavailable, InvalidAddress, NotWritten: from the storage.
        StoreUnusable: the database does not answer.
        OSError: of this machine.
    """
    copy, unpacked = folder / "component.zip", folder / "unpacked"
    fetch(storage, archive, copy)
    unpacked.mkdir()
    component = open_component(copy, unpacked, is_for_here=False).component
    known = _known(releases, component)
    if known is not None:
        if known.sha256 != sha256_of(copy):
            raise release_taken(known)
        if not is_shelved(storage, shelf, known):
            put_back(storage, shelf, known, copy, folder, told)
        return known
    made = Release.of(component, copy, "", _signature(storage, archive), _TERMS, clock())
    made = replace(made, uri=place_of(shelf, made))
    put(storage, made.title, copy, made.uri, made.signature, folder, told)
    return releases.record(made)


def _known(releases: Releases, component: Component) -> Release | None:
    try:
        return releases.find(component.name, component.version, component.target)
    except NoSuchRelease:
        return None


def _signature(storage: WritableStorage, archive: str) -> str | None:
    """The text of the file beside the archive; None where there is none.

    Raises:
        ComponentRefused: it is no text, or too long for a device.
    """
    read = read_signature(storage, archive)
    try:
        text = None if read is None else read.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    if read is not None and (text is None or len(text) > LONGEST_SIGNATURE):
        raise ComponentRefused(
            ComponentFault.NOT_A_COMPONENT, f"its {SIGNATURE_SUFFIX} file is no signature that a device reads"
        )
    return text
