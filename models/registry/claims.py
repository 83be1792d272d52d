"""Claims keep two processes from doing the same work: whoever has one does it, until done or dead."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from models.events import worker_name
from models.moments import rfc3339
from models.printable import logger
from models.registry.cache import is_alive
from models.registry.records import Claim
from models.storage.errors import StorageUnavailable
from models.storage.objects import Found, ObjectStore

_LOGGER = logger(__name__)

CLAIM_SECONDS = 60.0
"""After so long without a sign of life an owner counts as dead."""
_BEAT_SECONDS = CLAIM_SECONDS / 4


class _Held(NamedTuple):
    claim: Claim
    version: str


class _Watched(NamedTuple):
    version: str
    since: float


class Claims:
    """The claims of one process, and what it has seen of others'. Threads may ask it side by side.

    Nobody compares clocks: an owner writes its claim anew four times a minute, and who sees one unchanged for a minute
    of its own clock may take it over. That of a process of this very machine which is no more is taken over at once.

    Args:
        objects: where claims are kept.
        clock: seconds that only grow.
        beats: whether a thread gives the signs of life; else whoever calls `beat` does.
    """

    def __init__(self, objects: ObjectStore, clock: Callable[[], float] = time.monotonic, beats: bool = True) -> None:
        self._objects = objects
        self._clock = clock
        self._beats = beats
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._tried: dict[str, str] = {}
        self._watched: dict[str, _Watched] = {}
        self._closed = threading.Event()
        self._beating: threading.Thread | None = None

    def take(self, name: str, uri: str) -> bool:
        """Claims the work that `name` names, on the file `uri`; whether it is this process' now.

        Raises:
            StorageUnavailable: nothing is known of it.
        """
        if name in self._held:
            return False
        found = self._read(name)
        if found is not None and not self._is_free(name, found):
            return False
        claim = Claim(uri, f"{worker_name()}-{secrets.token_hex(8)}", _processes(), os.getpid())
        self._tried[name] = claim.owner
        version = self._objects.swap(name, claim.encode(), found.version if found else None)
        if version is None:
            return False
        with self._lock:
            self._watched.pop(name, None)
            self._held[name] = _Held(claim, version)
            if self._beats and self._beating is None and not self._closed.is_set():
                self._beating = threading.Thread(target=self._keep_beating, name="claims", daemon=True)
                self._beating.start()
        return True

    def release(self, name: str) -> None:
        """Lets go of a claim; nothing where there is none."""
        with self._writing:
            with self._lock:
                held = self._held.pop(name, None)
                self._tried.pop(name, None)
            if held is None:
                return
            try:
                if not self._objects.remove(name, held.version) and (version := self._still_ours(name, held.claim)):
                    self._objects.remove(name, version)
            except StorageUnavailable as error:
                _LOGGER.info("the claim %s stays until it counts as abandoned: %s", name, error)

    def note_outage(self) -> None:
        """Begins anew to look for signs of life: while the registry was away nobody could give any."""
        with self._lock:
            self._watched.clear()

    def close(self) -> None:
        """Lets go of all claims."""
        self._closed.set()
        if self._beating is not None:
            self._beating.join()
        for name in list(self._held):
            self.release(name)

    def _read(self, name: str) -> Found | None:
        try:
            return self._objects.read(name)
        except StorageUnavailable:
            self.note_outage()
            raise

    def _is_free(self, name: str, found: Found) -> bool:
        """Whether what lies there has given no sign of life for long enough, or is of somebody who never will."""
        claim = _decoded(found)
        if claim is not None:
            answer_got_lost = claim.owner == self._tried.get(name)
            if answer_got_lost or (claim.processes == _processes() and not is_alive(claim.process)):
                return True
        now = self._clock()
        with self._lock:
            watched = self._watched.get(name)
            if watched is None or watched.version != found.version:
                self._watched[name] = _Watched(found.version, now)
                return False
            return now - watched.since >= CLAIM_SECONDS

    def _still_ours(self, name: str, claim: Claim) -> str | None:
        """The version of a claim that is this process', and was written with an answer that got lost."""
        found = self._read(name)
        written = _decoded(found)
        return found.version if found is not None and written is not None and written.owner == claim.owner else None

    def beat(self) -> None:
        """Gives a sign of life for each claim."""
        for name in list(self._held):
            with self._writing:
                self._beat_one(name)

    def _keep_beating(self) -> None:
        while not self._closed.wait(_BEAT_SECONDS):
            try:
                self.beat()
            except Exception:  # whatever it is, the next sign of life may be given
                _LOGGER.exception("claims in %s could not be renewed", self._objects.address)

    def _beat_one(self, name: str) -> None:
        with self._lock:
            before = self._held.get(name)
        if before is None:
            return
        claim = replace(before.claim, beats=before.claim.beats + 1, time=rfc3339())
        try:
            version = self._objects.swap(name, claim.encode(), before.version)
            if version is None and (ours := self._still_ours(name, claim)):
                version = self._objects.swap(name, claim.encode(), ours)
        except StorageUnavailable as error:
            _LOGGER.info("the claim %s could not be renewed: %s", name, error)
            return
        with self._lock:
            if version is None:  # somebody took it for abandoned; what was begun is finished, and the first one counts
                del self._held[name]
            else:
                self._held[name] = _Held(claim, version)


def _decoded(found: Found | None) -> Claim | None:
    try:
        return Claim.decode(found.data) if found is not None else None
    except ValueError:
        return None


@cache
def _processes() -> str:
    """Where numbers of processes mean the same as here: this boot of this machine, and its space of numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - of what the link names
    except OSError:
        return f"unknown-{secrets.token_hex(8)}"
