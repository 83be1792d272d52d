"""Compiled forms that a whole fleet reads, so that one worker compiles and the others load."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

from models.artefacts import MANIFEST, Artefact, EngineChoice, Manifest
from models.card_fields import whole
from models.printable import logger
from models.reference import sha256_of
from models.registry.cache import DIGESTS, digests_of
from models.registry.fields import GREATEST_WHOLE, encoded, reading, sha256_from
from models.storage.errors import StorageUnavailable
from models.storage.objects import Found, ObjectStore

_LOGGER = logger(__name__)

_CHUNK_BYTES = 1 << 20
_MAX_BYTES = 8 << 30
"""Of an archive, and of what it unpacks to."""
_MAX_MEMBERS = 10_000


@dataclass(frozen=True, slots=True)
class Form:
    """Which archive holds a compiled form.

    Attributes:
        source: the SHA-256 of the model's file.
        engine: the choice under which it was compiled.
        archive: the SHA-256 of the archive.
        size: its bytes.
    """

    source: str
    engine: EngineChoice
    archive: str
    size: int

    def encode(self) -> bytes:
        """As JSON."""
        return encoded(asdict(self))

    @classmethod
    def decode(cls, data: bytes, source: str) -> Form:
        """Reads what `encode` wrote of this source.

        Raises:
            ValueError: it is something else, or of another source.
        """
        with reading(data) as value:
            if value["source"] != source or value["engine"] not in get_args(EngineChoice):
                raise ValueError("is about another model")
            return cls(
                source, value["engine"], sha256_from(value["archive"]), whole(value["size"], "size", 1, GREATEST_WHOLE)
            )


class CompiledForms:
    """For each digest of a source and choice of engine, an archive that is named after its own digest, and which it is.

    Whoever may write here decides what the fleet serves: it needs the same guard as the models themselves. What is
    damaged is of no use to whoever finds it, and is replaced by whoever compiles the model again.

    Args:
        objects: where they are kept.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def fetch(self, sha256: str, choice: EngineChoice, workspace: Path) -> tuple[Path, Manifest] | None:
        """The compiled form of these bytes, unpacked below `workspace`, if it is shared and whole."""
        archive, built = workspace / "shared.tar", workspace / "shared"
        try:
            form = self._known(self._objects.read(_index(sha256, choice)), sha256)
            if form is None:
                return None
            self._objects.download(_archive(form), archive, _MAX_BYTES)
            if sha256_of(archive) != form.archive:
                raise ValueError("its bytes are others than its name says")
            return built, _unpacked(archive, built, sha256)
        except Exception as error:  # whatever a storage raises, or an archive is, the model can be compiled again
            _LOGGER.warning("the shared compiled form of sha256:%s is of no use: %s", sha256, error)
            return None
        finally:
            archive.unlink(missing_ok=True)

    def has(self, sha256: str, choice: EngineChoice) -> bool:
        """Whether a compiled form of these bytes is shared.

        Raises:
            StorageUnavailable: nobody knows.
        """
        return self._known(self._objects.read(_index(sha256, choice)), sha256) is not None

    def offer(self, artefact: Artefact, choice: EngineChoice, workspace: Path) -> None:
        """Shares a compiled form in place of whatever is shared.

        Raises:
            StorageUnavailable: it could not be written.
        """
        archive = workspace / "offer.tar"
        sha256 = artefact.manifest.sha256
        try:
            with tarfile.open(archive, "w") as packed:
                packed.add(artefact.folder, arcname=".", filter=_without_history)
            form = Form(sha256, choice, sha256_of(archive), archive.stat().st_size)
            self._objects.upload(archive, _archive(form))
        except OSError as error:
            raise StorageUnavailable(f"the compiled form cannot be packed: {error.strerror or error}") from error
        finally:
            archive.unlink(missing_ok=True)
        found = self._objects.read(_index(sha256, choice))
        # Whoever was first meanwhile has one as good.
        self._objects.swap(_index(sha256, choice), form.encode(), found.version if found else None)

    def _known(self, found: Found | None, sha256: str) -> Form | None:
        if found is None:
            return None
        try:
            return Form.decode(found.data, sha256)
        except ValueError as error:
            _LOGGER.warning("which compiled form sha256:%s has cannot be understood: it %s", sha256, error)
            return None


def _index(sha256: str, choice: EngineChoice) -> str:
    return f"compiled/{sha256}-{choice}.json"


def _archive(form: Form) -> str:
    return f"compiled/{form.source}-{form.engine}-{form.archive}.tar"


def _without_history(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same bytes make the same archive, whoever packs them and when."""
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _unpacked(archive: Path, built: Path, sha256: str) -> Manifest:
    """Unpacks an archive within limits.

    Raises:
        Exception: whatever makes it no compiled form of these bytes.
    """
    with tarfile.open(archive, "r:") as packed:
        for member in _within_limits(packed):
            _unpack(packed, member, built)
    written = json.loads((built / MANIFEST).read_text())
    if written.pop(DIGESTS) != digests_of(built):
        raise ValueError("its files are not those that its manifest names")
    manifest = Manifest.from_json(written)
    if manifest.sha256 != sha256:
        raise ValueError("it was compiled from other bytes")
    return manifest


def _unpack(packed: tarfile.TarFile, member: tarfile.TarInfo, built: Path) -> None:
    """Unpacks a file or folder; by hand, since `extractall` has a filter from Python 3.11.4 on alone.

    Raises:
        ValueError: it would lie elsewhere.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"holds {member.name!r}, which lies elsewhere")
    target = built / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    source = packed.extractfile(member)
    if source is None:
        raise ValueError(f"holds no bytes of {member.name!r}")
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file, _CHUNK_BYTES)


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
