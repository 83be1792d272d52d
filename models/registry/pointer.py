"""Which model of a pattern is live: one fact for all who read it, moved by comparing and swapping."""

from __future__ import annotations

import threading

from models.printable import logger
from models.reference import ModelReference, Statement
from models.registry.records import Change, Pointer
from models.storage.objects import ObjectStore

_LOGGER = logger(__name__)


class LivePointer:
    """A pattern's pointer as this process knows it, which never goes back to an earlier epoch.

    Where the registry loses it, or somebody writes nonsense or an older one in its place, whoever remembers more puts
    it right at its next look. Methods are one thread's, but for `remember` and `statement`.

    Args:
        objects: where the pointer is kept.
        name: of its object there.
        pattern: of the model files.
    """

    def __init__(self, objects: ObjectStore, name: str, pattern: str) -> None:
        self._objects = objects
        self._name = name
        self._pattern = pattern
        self._known: Pointer | None = None
        self._version: str | None = None
        self._lock = threading.Lock()
        self._remembered: Statement | None = None

    @property
    def statement(self) -> Statement | None:
        """What is live, as far as is known."""
        known = self._known
        return None if known is None else Statement(known.now.reference, known.now.epoch)

    @property
    def pointer(self) -> Pointer | None:
        """The pointer with its history, as far as is known."""
        return self._known

    def remember(self, statement: Statement) -> None:
        """Takes in what was stated elsewhere: no pointer of an earlier epoch is believed from now on."""
        with self._lock:
            if self._remembered is None or statement.epoch > self._remembered.epoch:
                self._remembered = statement

    def look(self, mend: bool = True) -> None:
        """Reads the pointer; puts it right where it is behind what is known, if it is to `mend` it.

        Raises:
            StorageUnavailable: the registry gave no answer; what is known stays.
        """
        found = self._objects.read(self._name)
        self._version = found.version if found else None
        pointer = self._decoded(found.data) if found else None
        if pointer is not None and pointer.now.epoch >= self._epoch():
            self._known = pointer
        elif mend and self._epoch():
            self._put_right(pointer)

    def move(self, reference: ModelReference, why: str) -> bool:
        """Has a model be live from now on, unless somebody else has moved the pointer since the last look.

        Raises:
            StorageUnavailable: the registry gave no answer.
        """
        change = Change(self._epoch() + 1, reference, why)
        moved = self._known.moved(change) if self._known else Pointer(self._pattern, (change,))
        return self._write(moved)

    def _epoch(self) -> int:
        """The latest that is known of; 0 where none is."""
        with self._lock:
            remembered = self._remembered.epoch if self._remembered else 0
        return max(remembered, self._known.now.epoch if self._known else 0)

    def _put_right(self, found: Pointer | None) -> None:
        """Writes what was stated last, under a later epoch than any; this look decides whether it still should be."""
        with self._lock:
            remembered = self._remembered
        known = (each for each in (self.statement, remembered) if each is not None)
        latest = max(known, key=lambda each: each.epoch)
        _LOGGER.warning("%s/%s is behind what was stated, and is put right", self._objects.address, self._name)
        change = Change(latest.epoch + 1, latest.reference, "put right: the registry had lost what was stated")
        base = self._known or found
        self._write(base.moved(change) if base else Pointer(self._pattern, (change,)))

    def _write(self, pointer: Pointer) -> bool:
        version = self._objects.swap(self._name, pointer.encode(), self._version)
        if version is None:
            return False
        self._known, self._version = pointer, version
        return True

    def _decoded(self, data: bytes) -> Pointer | None:
        try:
            return Pointer.decode(data, self._pattern)
        except ValueError as error:
            _LOGGER.warning("%s/%s cannot be understood: it %s", self._objects.address, self._name, error)
            return None
