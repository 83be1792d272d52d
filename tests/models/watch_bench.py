"""A folder of model files, a watch on it, a vetter that only reads them, and a clock that tests move on."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.artefacts import Artefact, Manifest, Vetted
from models.card import Card, InputSpec
from models.errors import ModelFault, ModelRejected, VettingStopped
from models.events import EventLog
from models.reference import ModelReference
from models.registry.registry import Registry, Terms
from models.storage import LocalStorage, ReadableFile, StoredFile
from models.storage.local_objects import LocalObjects
from models.storage.objects import ObjectStore
from models.watch import ModelWatch
from tests.waiting import eventually

WHY = "it agrees"
CARD = Card("m", "", (), "raw", InputSpec(1, 1))


class Clock:
    """Wall-clock seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = time.time() + 10

    def __call__(self) -> float:
        return self.now


class Troubled(LocalStorage):
    """The local disk, which may fail to be listed."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.listings = 0

    def list(self, pattern: str) -> list[StoredFile]:
        self.listings += 1
        if self.trouble is not None:
            raise self.trouble
        return super().list(pattern)

    def open(self, uri: str) -> ReadableFile:
        raise AssertionError("only the vetter opens files")


class Reader:
    """In place of a `Vetter`: what begins with `bad` is rejected; what begins with `slow` waits to be let go."""

    def __init__(self) -> None:
        self.read: list[tuple[str, bytes]] = []
        self.let_go = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.troubles: list[Exception] = []
        self.prepared = 0

    def vet(self, uri: str) -> Vetted:
        if self.troubles:
            raise self.troubles.pop(0)
        content = Path(uri).read_bytes()
        self.read.append((Path(uri).name, content))
        if content.startswith(b"slow"):
            self.waiting.release()
            self.let_go.wait()
        digest = hashlib.sha256(content).hexdigest()
        reference = ModelReference(uri, digest)
        if content.startswith(b"bad"):
            raise ModelRejected(ModelFault.NOT_A_MODEL, "bad", reference.model_id)
        if content.startswith(b"large"):
            raise ModelRejected(ModelFault.TOO_LARGE, "large")
        if content.startswith(b"stop"):
            raise VettingStopped
        return Vetted(
            reference,
            Artefact(Path(), Manifest(digest, "onnx", WHY, CARD, (1, 1, 3), "float32", (), 0.0)),
        )

    def prepare(self, keras: bool = True) -> None:
        self.prepared += 1

    def tidy(self) -> None:
        pass

    def share(self, vetted: Vetted) -> None:
        pass

    def close(self) -> None:
        self.let_go.set()


class Bench:
    """A folder, and a watch on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.storage = Troubled()
        self.events = EventLog()
        self.told: list[tuple[str, str]] = []
        self.objects: ObjectStore = LocalObjects(folder.with_name(f"{folder.name}-registry"))
        self.adopts = False
        self.start()

    def start(self, poll_seconds: float = 0.002) -> None:
        self.vetter = Reader()
        vetter: Any = self.vetter
        pattern = f"{self.folder}/*.h5"
        self.registry = Registry(self.objects, pattern, Terms("auto", 10))
        self.watch = ModelWatch(
            self.storage, vetter, self.registry, self.events, poll_seconds, self.clock, adopts=self.adopts
        )

    def restart(self, poll_seconds: float) -> None:
        """Watches anew, and looks at the folder as often as told."""
        self.watch.close()
        self.start(poll_seconds)

    def drop(self, name: str, content: str, age: float = 100) -> Path:
        """A file that appears whole, `age` seconds old."""
        path = self.folder / name
        new = self.folder / f".{name}.new"
        new.write_text(content)
        os.utime(new, (self.clock.now - age,) * 2)
        return new.rename(path)

    def stated(self) -> str | None:
        statement = self.watch.statement
        return Path(statement.reference.uri).name if statement else None

    def events_now(self) -> list[tuple[str, str]]:
        self.told += [(event.event, Path(event.model_id.split("@")[0]).name) for event in self.events.drain()]
        return self.told

    def until(self, condition: Callable[[], object]) -> None:
        eventually(condition, f"more than {self.stated()} and {self.events_now()}")

    def until_told(self, *events: tuple[str, str]) -> None:
        self.until(lambda: Counter(self.events_now()) >= Counter(events))

    def looks(self, count: int = 5) -> None:
        """Waits for so many more looks at the folder."""
        before = self.storage.listings
        self.until(lambda: self.storage.listings >= before + count)
