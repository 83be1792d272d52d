"""Model files that were uploaded: each vetted in its turn, kept for a while, and published where it is accepted."""

from __future__ import annotations

import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH
from models.errors import ModelRejected, VettingStopped, one_line
from models.printable import logger
from models.registry.records import Accepted
from models.storage.errors import tells_of_full_disk
from models.storage.schemes import AnyStorage
from models.trees import remove_whatever
from models.vetting import Vetter
from models.vetting.session import vetting
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.shelf.candidate import Candidate, UploadName
from studio.shelf.known_models import as_row
from studio.shelf.refusals import FULL, told_of_storage

_LOGGER = logger(__name__)

MOST_KEPT = 8
KEPT_SECONDS = 3600.0
"""After its vetting."""
_OWN_NAME = re.compile(r"[0-9a-f]{32}")
_LONGEST_DETAIL = 500
State = Literal["vetting", "accepted", "rejected", "failed"]


@dataclass
class _Upload:
    """One upload; what changes does so under the lock of `Uploads`."""

    id: str
    name: UploadName
    folder: Path
    taken: float
    state: State = "vetting"
    reason: str = ""
    detail: str = "it waits for its turn"
    ended: float | None = None
    candidate: Candidate | None = None
    published: str | None = None
    dropped: bool = False
    vetter: Vetter | None = None

    @property
    def file(self) -> Path:
        """As it was uploaded."""
        return self.folder / self.name.stored


class Uploads:
    """The uploads of one studio. Threads may ask side by side; one file is vetted at a time.

    Args:
        places: where uploads are kept, and models are published. Uploads that an earlier run left there go.
        storage: reaches both.
        clock: seconds that only grow.
    """

    def __init__(self, places: Places, storage: AnyStorage, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._storage = storage
        self._clock = clock
        self._lock = threading.Lock()
        self._publishing = threading.Lock()
        self._kept: dict[str, _Upload] = {}
        self._closed = False
        self._vetting = ThreadPoolExecutor(1, thread_name_prefix="upload")
        for left in places.uploads.iterdir() if places.uploads.is_dir() else ():
            if _OWN_NAME.fullmatch(left.name):  # a folder that was chosen may hold somebody's other files
                _remove(left)

    def take(self, name: str, file: Path) -> str:
        """Takes a file in, and has it vetted; where there are enough, the oldest that is vetted goes.

        Args:
            name: as its uploader calls it.
            file: which is moved; it stays where it is refused.

        Returns:
            The upload's id.

        Raises:
            StudioRefused: BAD_REQUEST for a name that no model has, BUSY where all that are kept wait to be vetted,
                DISK_FULL or NOT_POSSIBLE where it cannot be kept.
        """
        called = UploadName.read(name)
        self.tidy()
        number = uuid.uuid4().hex
        upload = _Upload(number, called, self._places.uploads / number, self._clock())
        with self._lock:
            dropped = self._make_room()
            self._kept[number] = upload
        if dropped is not None:
            _remove(dropped.folder)
        try:
            with told_of_storage("the upload cannot be kept"):
                upload.folder.mkdir(parents=True, mode=0o700)
                shutil.move(file, upload.file)
            self._vetting.submit(self._vet, upload)
        except BaseException:
            self._forget(upload)
            raise
        return number

    def to_json(self, number: str) -> dict[str, Any]:
        """An upload as the page reads it.

        Raises:
            StudioRefused: NOT_FOUND.
        """
        upload = self._find(number)
        with self._lock:
            candidate = upload.candidate
            seconds = (self._clock() if upload.ended is None else upload.ended) - upload.taken
            told = {
                "upload": upload.id,
                "name": upload.name.shown,
                "state": upload.state,
                "reason": upload.reason,
                "detail": upload.detail,
                "seconds": round(seconds, 1),
            }
        row = as_row(candidate.surveyed, None) | {"accuracy": None} if candidate else None
        return told | {"model": row}

    def publish(self, number: str) -> str:
        """Publishes an upload that was accepted, once however often it is asked for.

        Returns:
            The model_id that its results will bear.

        Raises:
            StudioRefused: NOT_FOUND; NOT_POSSIBLE where it is not accepted, or cannot be published; DISK_FULL.
        """
        with self._publishing:
            upload = self._find(number)
            if upload.published is None:
                if upload.candidate is None:
                    raise StudioRefused(Trouble.NOT_POSSIBLE, _why_not(upload))
                upload.published = upload.candidate.publish(self._storage)
                _LOGGER.info("published an upload: %s", upload.published)
            return upload.published

    def drop(self, number: str) -> None:
        """Takes an upload back; its vetting ends. What was published of it stays.

        Raises:
            StudioRefused: NOT_FOUND.
        """
        self._forget(self._find(number))

    def tidy(self) -> None:
        """Drops what was vetted an hour ago."""
        now = self._clock()
        with self._lock:
            old = [each for each in self._kept.values() if each.ended is not None and now - each.ended > KEPT_SECONDS]
        for upload in old:
            self._forget(upload)

    def close(self) -> None:
        """Ends a vetting that is under way, and drops all uploads."""
        with self._lock:
            self._closed = True
            kept = list(self._kept.values())
        for upload in kept:
            self._forget(upload)
        self._vetting.shutdown(wait=True, cancel_futures=True)

    def _find(self, number: str) -> _Upload:
        self.tidy()
        with self._lock:
            upload = self._kept.get(number)
        if upload is None:
            line = f"there is no such upload any more: {MOST_KEPT} are kept, for an hour; upload the file again"
            raise StudioRefused(Trouble.NOT_FOUND, line)
        return upload

    def _make_room(self) -> _Upload | None:
        """The upload that goes for another, if one has to; under the lock.

        Raises:
            StudioRefused: BUSY or NOT_POSSIBLE.
        """
        if self._closed:
            raise StudioRefused(Trouble.NOT_POSSIBLE, "the studio is ending; upload the file when it runs again")
        if len(self._kept) < MOST_KEPT:
            return None
        vetted = [each for each in self._kept.values() if each.ended is not None]
        if not vetted:
            line = f"{MOST_KEPT} uploads wait to be vetted already; upload the file once one of them is"
            raise StudioRefused(Trouble.BUSY, line)
        oldest = min(vetted, key=lambda each: each.taken)
        return self._kept.pop(oldest.id)

    def _forget(self, upload: _Upload) -> None:
        with self._lock:
            self._kept.pop(upload.id, None)
            upload.dropped, vetter = True, upload.vetter
        if vetter is not None:
            vetter.close()
        _remove(upload.folder)

    def _vet(self, upload: _Upload) -> None:
        """Runs in the one thread that vets."""
        try:
            with vetting(self._storage, DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH) as vetter:
                with self._lock:
                    if upload.dropped:
                        return
                    upload.vetter, upload.detail = vetter, "it is being vetted"
                candidate = Candidate.vet(upload.file, self._places.models, self._storage, vetter)
            _remove(upload.file)
            self._end(upload, "accepted", "", _about(candidate), candidate)
        except VettingStopped:
            return
        except ModelRejected as rejection:
            self._end(upload, "rejected", str(rejection.fault), rejection.detail)
        except Exception as error:  # whatever a disk or a library raises, nothing is known of the file
            full = tells_of_full_disk(error)
            detail = f"it could not be vetted: {FULL if full else one_line(error, _LONGEST_DETAIL)}"
            self._end(upload, "failed", "disk_full" if full else "machine", detail)
        finally:
            with self._lock:
                upload.vetter, dropped = None, upload.dropped
            if dropped:
                _remove(upload.folder)

    def _end(self, upload: _Upload, state: State, reason: str, detail: str, candidate: Candidate | None = None) -> None:
        with self._lock:
            upload.state, upload.reason, upload.detail = state, reason, detail
            upload.candidate, upload.ended = candidate, self._clock()


def _about(candidate: Candidate) -> str:
    """Of an accepted model: what executes it and why, and what had to be assumed."""
    told = (Accepted.of(candidate.vetted).reason, *candidate.vetted.artefact.manifest.notes)
    return one_line("; ".join(told), _LONGEST_DETAIL)


def _why_not(upload: _Upload) -> str:
    if upload.state == "vetting":
        return f"{upload.name.shown} is not vetted yet; publish it once it is accepted"
    why = f"{upload.reason}: {upload.detail}" if upload.state == "rejected" else upload.detail
    return one_line(f"{upload.name.shown} was not accepted, and is not published: {why}", _LONGEST_DETAIL)


def _remove(path: Path) -> None:
    try:
        remove_whatever(path)
    except OSError as error:
        _LOGGER.warning("an upload cannot be removed: %s", error)
