"""Taking a component in that was packed elsewhere: proved, put on the shelf, and recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fleet.errors import NoSuchRelease
from fleet.releases import Release, Releases, release_taken
from models.components.component import Component
from models.components.opening import open_component
from models.components.twin import LONGEST_SIGNATURE
from models.errors import ComponentFault, ComponentRefused
from models.reference import sha256_of
from models.releasing.release import fetch
from models.releasing.shelf import Shelved, missing, put_once
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
        what is on record: the same archive may have been there before.

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
        return known
    signature = _signature(storage, archive)
    place = _place(shelf, component)
    files = [Shelved(component.title, copy, place)]
    if signature is not None:
        signed = folder / "component.zip.sig"
        signed.write_text(signature, encoding="utf-8")
        files.insert(0, Shelved(component.title, signed, place + SIGNATURE_SUFFIX))
    put_once(storage, missing(storage, files), told)
    return releases.record(Release.of(component, copy, place, signature, _TERMS, clock()))


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


def _place(shelf: str, component: Component) -> str:
    parts = (component.name, component.version, f"{component.stem}.zip")
    return "/".join([shelf.rstrip("/"), *parts]) if "://" in shelf else str(Path(shelf, *parts))
