"""Compiled models in a folder that a whole fleet reads, so that one worker compiles and the others load."""

from __future__ import annotations

import contextlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from models.artefacts import MANIFEST, Artefact, EngineChoice, Manifest
from models.printable import logger
from models.registry.cache import DIGESTS, digests_of
from models.storage import SharedStorage
from models.storage.errors import StorageUnavailable

_LOGGER = logger(__name__)

_CHUNK_BYTES = 1 << 20
_MAX_BYTES = 8 << 30
"""Of an archive, and of what it unpacks to."""
_MAX_MEMBERS = 10_000


class SharedArtefacts:
    """One tar archive for each digest and choice of engine.

    Whoever may write here decides what the fleet serves: the folder needs the same guard as the models themselves.
    Trouble with it never stops anything; the model is then compiled again.

    Args:
        folder: where the archives are, e.g. `gs://bucket/compiled`.
        storage: reaches it.
    """

    def __init__(self, folder: str, storage: SharedStorage) -> None:
        self._folder = folder.rstrip("/")
        self._storage = storage

    def fetch(self, sha256: str, choice: EngineChoice, workspace: Path) -> tuple[Path, Manifest] | None:
        """The compiled form of these bytes, unpacked below `workspace`, if it is shared and whole."""
        archive, built = workspace / "shared.tar", workspace / "shared"
        try:
            self._download(self._uri(sha256, choice), archive)
            with tarfile.open(archive, "r:") as packed:
                packed.extractall(built, members=_within_limits(packed), filter="data")
            written = json.loads((built / MANIFEST).read_text())
            if written.pop(DIGESTS) != digests_of(built):
                raise ValueError("its files are not those that its manifest names")
            manifest = Manifest.from_json(written)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a storage raises, or an archive is, the model can be compiled again
            _LOGGER.warning("the shared compiled model %s is of no use: %s", self._uri(sha256, choice), error)
            return None
        finally:
            archive.unlink(missing_ok=True)
        return (built, manifest) if manifest.sha256 == sha256 else None

    def offer(self, artefact: Artefact, choice: EngineChoice, workspace: Path) -> None:
        """Shares a compiled form."""
        archive = workspace / "offer.tar"
        uri = self._uri(artefact.manifest.sha256, choice)
        try:
            with tarfile.open(archive, "w") as packed:
                packed.add(artefact.folder, arcname=".")
            self._storage.write(uri, archive)
        except Exception as error:  # whatever a storage raises, the model is compiled and can be served
            _LOGGER.warning("the compiled model %s could not be shared: %s", uri, error)
        finally:
            archive.unlink(missing_ok=True)

    def _uri(self, sha256: str, choice: EngineChoice) -> str:
        return f"{self._folder}/{sha256}-{choice}.tar"

    def _download(self, uri: str, path: Path) -> None:
        size = 0
        with contextlib.closing(self._storage.open(uri)) as source, path.open("wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > _MAX_BYTES:
                    raise StorageUnavailable(f"{uri} is larger than {_MAX_BYTES >> 30} GiB")
                target.write(chunk)


def _within_limits(packed: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files and folders of an archive, one after the other, so that nothing of it is read that is too much.

    Raises:
        ValueError: there is something else, or more than a compiled model has.
    """
    size = 0
    for number, member in enumerate(packed):
        size += member.size
        if number >= _MAX_MEMBERS or size > _MAX_BYTES:
            raise ValueError(f"unpacks to more than {_MAX_MEMBERS:,} files or {_MAX_BYTES >> 30} GiB")
        if not (member.isreg() or member.isdir()) or member.issparse():
            raise ValueError("holds more than files and folders")
        yield member
