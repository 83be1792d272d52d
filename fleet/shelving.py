"""The archives of releases on the shelf: whether they are there, and how they come back where they were lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from fleet.releases import Release, release_taken
from models.reference import sha256_of
from models.releasing.shelf import Shelved, missing, put_once
from models.signatures.beside import SIGNATURE_SUFFIX
from models.storage import Storage, Told, WritableStorage


def place_of(shelf: str, release: Release) -> str:
    """Where on a shelf an archive goes.

    Args:
        shelf: an absolute folder or an address in a bucket.
        release: of which name, version and target count.
    """
    parts = (release.name, release.version, f"{release.name}-{release.version}-{release.target}.zip")
    return "/".join([shelf.rstrip("/"), *parts]) if "://" in shelf else str(Path(shelf, *parts))


def is_shelved(storage: Storage, shelf: str, release: Release) -> bool:
    """Whether the archive of a release is where it was put, or on this shelf, as a server looks for it.

    Args:
        storage: reaches buckets.
        shelf: as of `place_of`.
        release: that is on record.

    Raises:
        StorageUnavailable: the storage gave no answer.
    """
    if "://" in release.uri:
        try:
            with closing(storage.open(release.uri)):
                return True
        except FileNotFoundError:
            return False
    return any(path.is_file() and path.stat().st_size == release.size for path in _places(shelf, release))


def put_back(
    storage: WritableStorage,
    shelf: str,
    release: Release,
    archive: Path,
    folder: Path,
    told: Callable[[Shelved], Told],
) -> None:
    """Has the archive of a release, and its signature, be on the shelf again.

    Args:
        storage: that the shelf is in.
        shelf: as of `place_of`.
        release: that is on record.
        archive: a local file that should have its bytes.
        folder: a local one for the signature.
        told: is given each file before it is written, and gives what is told how far it is.

    Raises:
        ReleaseTaken: it has other bytes; nothing was written.
        VersionTaken: there is a file of that name with other bytes.
        NotWritten, StorageUnavailable: from the storage.
        OSError: of this machine.
    """
    if sha256_of(archive) != release.sha256:
        raise release_taken(release)
    place = release.uri if "://" in release.uri else str(_places(shelf, release)[0])
    put(storage, release.title, archive, place, release.signature, folder, told)


def put(
    storage: WritableStorage,
    title: str,
    archive: Path,
    place: str,
    signature: str | None,
    folder: Path,
    told: Callable[[Shelved], Told],
) -> None:
    """Has an archive be on the shelf, its signature before it.

    Args:
        storage, archive, folder, told: as of `put_back`.
        title: of the component, for people.
        place: where it goes.
        signature: of it; None where nobody signed it.

    Raises:
        VersionTaken, NotWritten, StorageUnavailable, OSError: as of `put_back`.
    """
    files = [Shelved(title, archive, place)]
    if signature is not None:
        signed = folder / f"{archive.name}.recorded{SIGNATURE_SUFFIX}"
        signed.write_text(signature, encoding="utf-8")
        files.insert(0, Shelved(title, signed, place + SIGNATURE_SUFFIX))
    put_once(storage, missing(storage, files), told)


def _places(shelf: str, release: Release) -> list[Path]:
    """In this order a server looks for an archive in folders."""
    put = Path(release.uri)
    return [put] if "://" in shelf else [Path(place_of(shelf, release)), put]
