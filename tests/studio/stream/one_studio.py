"""A stream over a real emulator with a real job and a tiny model, and everything that it tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from models.troubles import Troubles
from studio.places import Places
from studio.stream.config import StreamConfig, Topics
from studio.stream.stream import Stream
from tests.model_files import tiny_classifier
from tests.waiting import eventually

PROJECT = "projects/hotswap-studio"
TOPICS = Topics(
    f"{PROJECT}/topics/images",
    f"{PROJECT}/subscriptions/images",
    f"{PROJECT}/topics/results",
    f"{PROJECT}/topics/dead-letters",
    f"{PROJECT}/topics/model-events",
    f"{PROJECT}/topics/labels",
    f"{PROJECT}/subscriptions/labels",
)
PATIENCE_SECONDS = 240.0
STOP_SECONDS = 30.0


class Heard:
    """A listener that keeps all it hears."""

    def __init__(self) -> None:
        self.results: list[Mapping[str, Any]] = []
        self.dead_letters: list[Mapping[str, Any]] = []
        self.events: list[Mapping[str, Any]] = []
        self.has_changed = threading.Event()

    def result(self, record: Mapping[str, Any]) -> None:
        self.results.append(record)

    def dead_letter(self, record: Mapping[str, Any]) -> None:
        self.dead_letters.append(record)

    def model_event(self, record: Mapping[str, Any], swapped: bool) -> None:
        self.events.append({**record, "swap": swapped})

    def changed(self) -> None:
        self.has_changed.set()

    def drawings(self) -> list[str]:
        """The drawings that were asked for and answered, in order, each as often as it was."""
        attributes = [record["attributes"] for record in list(self.results)]
        return [each["drawing"] for each in attributes if "drawing" in each]


class Wrong(Troubles):
    """What does not work now; what was told of it, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        super().__init__(self.told.append)


class OneStudio:
    """The part of a studio that streams."""

    def __init__(self, root: Path, longest_silence: float = 60.0, heard: Heard | None = None) -> None:
        self.places = Places(root, root / "models")
        self.places.make()
        self.heard = heard or Heard()
        self.wrong = Wrong()
        config = StreamConfig(self.places, TOPICS, longest_silence=longest_silence)
        self.stream = Stream(config, self.heard, self.wrong)

    def publish_model(self, name: str, favours: int) -> None:
        """Lets a model land whose answer to every image is one class."""
        hidden = self.places.models / f".{name}"
        tiny_classifier(hidden, favours=favours).rename(self.places.models / name)

    def draw(self, drawing: str) -> Path:
        """A drawing's file."""
        path = self.places.drawings / f"{drawing}.png"
        Image.new("L", (28, 28), 200).save(path)
        return path

    def ask(self, *drawings: str) -> None:
        """Asks for each."""
        for drawing in drawings:
            self.stream.ask(self.draw(drawing), {"drawing": drawing, "purpose": "answer"})

    @contextmanager
    def running(self) -> Iterator[OneStudio]:
        """Itself, while it runs."""
        self.stream.start()
        try:
            self.until_running()
            yield self
        finally:
            self.stream.stop(STOP_SECONDS)

    def until_running(self) -> None:
        """Waits until the stream says so."""
        eventually(lambda: self.stream.state.word == "running", "the stream to run", PATIENCE_SECONDS)

    def until_answered(self, *drawings: str) -> None:
        """Waits until each has an answer."""
        eventually(lambda: set(drawings) <= set(self.heard.drawings()), f"answers to {drawings}", PATIENCE_SECONDS)


def jobs_of(pid: int) -> list[psutil.Process]:
    """The jobs that a process has started."""
    return [each for each in psutil.Process(pid).children() if "beam_pipeline" in _command(each)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
