"""Compiled models on this machine's disk, kept by the digest of the bytes that they were compiled from."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.artefacts import MANIFEST, Artefact, EngineChoice, Manifest
from models.errors import CacheUnusable, ModelFault, ModelRejected
from models.reference import sha256_of
from models.trees import remove_tree

DIGESTS = "digests"
"""Where a manifest in the cache tells the SHA-256 of each file beside it."""

REGISTRY_IN_CACHE = "registry"
"""The folder in the cache where runs of this machine that were told of no registry have theirs."""


class ArtefactCache:
    """A folder of artefacts, safe to share between processes of one user.

    An artefact appears by one rename and is never changed afterwards; whoever finds one finds the very bytes that
    vetting compiled.

    Args:
        folder: where artefacts are kept; made private to the user where it does not exist.
        keep: how many artefacts remain after `store`; the longest unused go first.
    """

    def __init__(self, folder: Path, keep: int = 32) -> None:
        self.folder = folder
        self._keep = keep
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def find(self, sha256: str, choice: EngineChoice) -> Artefact | None:
        """The artefact of these bytes under this choice of engine, if a whole one is here."""
        folder = self._place(sha256, choice)
        try:
            written = json.loads((folder / MANIFEST).read_text())
            digests = written.pop(DIGESTS)
            manifest = Manifest.from_json(written)
            if manifest.sha256 != sha256 or not digests or digests != digests_of(folder):
                return None
            os.utime(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return Artefact(folder, manifest)

    def store(self, built: Path, manifest: Manifest, choice: EngineChoice) -> Artefact:
        """Moves a compiled form in; where another process was first, its artefact is taken.

        Raises:
            ModelRejected: `crashed`; there is no compiled form in `built`.
        """
        place = self._place(manifest.sha256, choice)
        if built.is_dir() and not built.is_symlink() and (digests := digests_of(built)):
            self._write_manifest(built, manifest.to_json() | {DIGESTS: digests})
            self._move_in(built, place)
        found = self.find(manifest.sha256, choice)
        if found is None and built.is_dir():  # what lies there is no artefact
            self._discard(place)
            self._move_in(built, place)
            found = self.find(manifest.sha256, choice)
        remove_tree(built)
        self._prune(but=place)
        if found is None:
            raise ModelRejected(ModelFault.CRASHED, "vetting left no usable compiled model")
        return found

    def choices_of(self, sha256: str) -> list[str]:
        """The choices of engine under which there is something of these bytes, whole or not."""
        found = (entry.name.removeprefix(f"{sha256}-") for entry in self.folder.glob(f"{sha256}-*"))
        return sorted(found)

    def remove(self, sha256: str) -> None:
        """Takes away whatever was compiled of these bytes; nothing where there is none.

        Raises:
            CacheUnusable: it cannot be taken away.
        """
        try:
            for choice in self.choices_of(sha256):
                self._discard(self.folder / f"{sha256}-{choice}")
            left = self.choices_of(sha256)
        except OSError as error:
            raise CacheUnusable(f"{self.folder} cannot be written: {error.strerror or error}") from error
        if left:
            raise CacheUnusable(f"{self.folder / f'{sha256}-{left[0]}'} cannot be taken away; may you write there?")

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A private folder on the cache's disk, gone afterwards."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # cleaners of cache folders take it away
        folder = Path(tempfile.mkdtemp(prefix=f".work-{os.getpid()}-", dir=self.folder))
        try:
            yield folder
        finally:
            remove_tree(folder)

    def sweep(self) -> None:
        """Removes the workspaces of processes that were killed before they could."""
        for folder in self.folder.glob(".work-*"):
            owner = folder.name.split("-")[1]
            if owner.isdigit() and not is_alive(int(owner)):
                remove_tree(folder)

    def _place(self, sha256: str, choice: EngineChoice) -> Path:
        return self.folder / f"{sha256}-{choice}"

    def _write_manifest(self, built: Path, value: dict[str, Any]) -> None:
        """Beside what a stranger built, who may have laid a link or a folder there under its name."""
        with self.workspace() as own:
            written = own / MANIFEST
            written.write_text(json.dumps(value))
            with contextlib.suppress(OSError):  # then what is there is no artefact
                written.replace(built / MANIFEST)

    def _move_in(self, built: Path, place: Path) -> None:
        with contextlib.suppress(OSError):  # another process was first
            built.rename(place)

    def _discard(self, artefact: Path) -> None:
        """Takes an artefact away in one step, so that nobody finds half of it."""
        with self.workspace() as bucket, contextlib.suppress(OSError):
            artefact.rename(bucket / artefact.name)

    def _prune(self, but: Path) -> None:
        artefacts = [entry for entry in self.folder.glob("*-*") if not entry.name.startswith(".") and entry != but]
        with contextlib.suppress(OSError):
            artefacts.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
            for folder in artefacts[self._keep - 1 :]:
                self._discard(folder)


def digests_of(folder: Path) -> dict[str, str]:
    """The SHA-256 of every regular file below `folder`, except the manifest.

    A power cut leaves files empty, and disks lose bits.
    """
    files = (path for path in sorted(folder.rglob("*")) if stat.S_ISREG(path.lstat().st_mode))
    named = {str(path.relative_to(folder)): path for path in files}
    return {name: sha256_of(path) for name, path in named.items() if name != MANIFEST}


def default_cache_folder() -> Path:
    """`$HOTSWAP_CACHE`, else `hotswap/` in the user's cache folder."""
    if chosen := os.environ.get("HOTSWAP_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "hotswap"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"hotswap-{os.getuid()}"


def cache_of_user() -> ArtefactCache:
    """The cache in `default_cache_folder`, without what processes that were killed left there.

    Raises:
        CacheUnusable: it cannot be written, or the disk is full.
    """
    folder = default_cache_folder()
    try:
        cache = ArtefactCache(folder)
        cache.sweep()
    except OSError as error:
        raise CacheUnusable(
            f"{folder} cannot be written ({error.strerror or error}); set HOTSWAP_CACHE to a folder that can"
        ) from error
    return cache


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
