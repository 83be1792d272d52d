"""What the job would make of the files of a pattern: each one's verdict, and which of them is live."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from launch.command_line import LaunchError, LaunchFailed
from launch.model_storage import ModelStorage
from models.artefacts import ArtefactCache, EngineChoice, Vetted, default_cache_folder
from models.errors import ModelRejected, StorageUnavailable
from models.reference import ModelReference
from models.storage import Storage, StoredFile, is_being_written, newest_first
from models.vetting import Vetter
from models.watch import VETTING_SIDE_BY_SIDE

State = Literal["live", "valid", "rejected", "undecided"]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One file of a pattern, and what is known about it.

    Attributes:
        file: as it was listed.
        verdict: None where nothing could be found out.
        trouble: why not.
    """

    file: StoredFile
    verdict: Vetted | ModelRejected | None
    trouble: str = ""

    @property
    def model_id(self) -> str:
        """URI and digest; the URI alone where the bytes could not be read whole."""
        if isinstance(self.verdict, Vetted):
            return self.verdict.reference.model_id
        return (self.verdict.model_id if self.verdict else None) or self.file.uri

    @property
    def digest(self) -> str:
        """The first 12 digits of the SHA-256; "" where the bytes could not be read whole."""
        return self.model_id.rpartition("@sha256:")[2] if "@sha256:" in self.model_id else ""

    @property
    def name(self) -> str:
        """The card's name, else the file name without its extension."""
        return self.verdict.name if isinstance(self.verdict, Vetted) else ModelReference(self.file.uri, "").file_name

    def is_called(self, name: str) -> bool:
        """Whether `name` names the file: its URI, or its file name with or without the extension."""
        file_name = self.file.uri.rpartition("/")[2]
        return name in (self.file.uri, file_name, ModelReference(self.file.uri, "").file_name)

    def answers_to(self, name: str) -> bool:
        """Whether `name` names the file or its bytes: also a card's name, a `model_id` or a digest's first digits."""
        by_digest = len(name) >= 6 and bool(self.digest) and self.digest.startswith(name.removeprefix("sha256:")[:12])
        return self.is_called(name) or name in (self.model_id, self.name) or by_digest


def live_one(surveyed: Sequence[Surveyed]) -> Surveyed | None:
    """The newest valid file; None if there is none."""
    by_uri = {each.file.uri: each for each in surveyed if isinstance(each.verdict, Vetted)}
    newest = newest_first(each.file for each in by_uri.values())
    return by_uri[newest[0].uri] if newest else None


def state_of(each: Surveyed, live: Surveyed | None) -> State:
    """What a file is to the job."""
    if each is live:
        return "live"
    match each.verdict:
        case None:
            return "undecided"
        case ModelRejected():
            return "rejected"
        case _:
            return "valid"


@contextmanager
def vetting(storage: Storage, engine: EngineChoice, largest_batch: int) -> Iterator[Vetter]:
    """A vetter with the user's cache of compiled models, the job's own; its children end with the block.

    Raises:
        LaunchFailed: the cache cannot be written, or the disk is full.
    """
    folder = default_cache_folder()
    try:
        cache = ArtefactCache(folder)
        cache.sweep()
    except OSError as error:
        raise LaunchFailed(
            f"{folder} cannot be written ({error.strerror or error}); set HOTSWAP_CACHE to a folder that can"
        ) from error
    vetter = Vetter(storage, cache, engine, largest_batch)
    try:
        yield vetter
    except OSError as error:  # of this machine's disk; those of the storage are told apart before they come here
        raise LaunchFailed(f"vetting in {folder} failed: {error.strerror or error}") from error
    finally:
        vetter.close()


def list_newest_first(storage: ModelStorage, patterns: Sequence[str]) -> list[StoredFile]:
    """The files of a pattern, newest first.

    Args:
        storage: where they are.
        patterns: of which there should be one: a shell makes several of one without quotes.

    Raises:
        LaunchError: there is not one pattern.
        LaunchFailed: the storage gave no answer.
    """
    if len(patterns) != 1:
        folder = patterns[0].rpartition("/")[0]
        quoted = f"{folder}/*.h5" if folder else "*.h5"
        raise LaunchError(f"{len(patterns)} files are given; quote the pattern against the shell, e.g. '{quoted}'")
    (pattern,) = patterns
    if pattern.endswith("/") or ("://" not in pattern and Path(pattern).is_dir()):
        raise LaunchError(f"{pattern} is a folder; give a pattern in quotes, e.g. '{pattern.rstrip('/')}/*.h5'")
    try:
        return newest_first(storage.list(pattern))
    except StorageUnavailable as error:
        raise LaunchFailed(str(error)) from error


def survey(files: Sequence[StoredFile], vetter: Vetter, told: Callable[[], None]) -> list[Surveyed]:
    """Vets files, two at a time; those in the cache of compiled models are only read.

    Args:
        files: in any order.
        vetter: its children are ended when the user interrupts.
        told: called after each file.

    Returns:
        In the order of `files`, without those that are gone meanwhile.
    """
    pool = ThreadPoolExecutor(VETTING_SIDE_BY_SIDE, thread_name_prefix="vetting")
    try:
        futures = {pool.submit(look_at, file, vetter): file.uri for file in files}
        found = {}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            told()
    except BaseException:
        vetter.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [each for file in files if (each := found[file.uri]) is not None]


def look_at(file: StoredFile, vetter: Vetter) -> Surveyed | None:
    """One file's verdict; None if it is gone."""
    if not file.finished and is_being_written(file.uri):
        return Surveyed(file, None, "still being written")
    try:
        return Surveyed(file, vetter.vet(file.uri))
    except ModelRejected as rejection:
        return Surveyed(file, rejection)
    except FileNotFoundError:
        return None
    except StorageUnavailable as error:
        return Surveyed(file, None, str(error))
