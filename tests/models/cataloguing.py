"""Files as a catalogue is told of them, and what it states."""

from __future__ import annotations

import hashlib

from models.catalogue import Catalogue
from models.reference import ModelReference
from models.registry.records import Accepted
from models.storage import StoredFile


def reference(uri: str, content: str) -> ModelReference:
    return ModelReference(uri, hashlib.sha256(content.encode()).hexdigest())


def good(uri: str, content: str) -> Accepted:
    return Accepted(reference(uri, content), "m")


class Stating(Catalogue):
    """A catalogue whose every successor is stated, as one watch alone does it."""

    stated: ModelReference | None = None

    def decide(self, now: float) -> ModelReference | None:
        if successor := self.successor(self.stated, now):
            self.stated = successor.reference
        return self.stated


def stored(uri: str, modified: float, version: str = "1", finished: bool = True) -> StoredFile:
    return StoredFile(uri, 1, modified, version, finished)


def catalogue(*files: StoredFile, now: float = 100.0) -> Stating:
    made = Stating()
    made.observe(files, now)
    return made


def uris(files: list[StoredFile]) -> list[str]:
    return [file.uri for file in files]


def stated(made: Stating, now: float = 100.0) -> str | None:
    reference = made.decide(now)
    return reference.uri if reference else None
