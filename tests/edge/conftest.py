"""A device: a folder of images, a place for its component, and its runner in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge.device_models import DeviceModels
from edge.image_files import ImageFolder
from edge.running import Records, Runner
from models.registry.cache import ArtefactCache
from tests.sample_images import digit, encoded
from tests.small_disk import small_disk as small_disk


class Device:
    """A device that runs until the test ends.

    Attributes:
        images: the folder that it classifies.
        place: where its component is to lie.
        said, told: the lines that it printed.
    """

    def __init__(self, folder: Path) -> None:
        self.images, self.place = folder / "images", folder / "current"
        self.images.mkdir()
        self.output = folder / "out.jsonl"
        self.cache = ArtefactCache(folder / "cache")
        self.said: list[str] = []
        self.told: list[str] = []
        self.left = ExitStack()

    def add(self, name: str, data: bytes | None = None) -> Path:
        """An image that lands there, in one step."""
        path = self.images / name
        path.parent.mkdir(exist_ok=True)
        hidden = path.with_name(f".{path.name}")
        hidden.write_bytes(encoded(digit(), "PNG") if data is None else data)
        return hidden.rename(path)

    def point_at(self, path: Path) -> None:
        """Makes `place` a link to a component, in one step."""
        link = self.place.with_name("next")
        link.symlink_to(path)
        link.rename(self.place)

    def start(self, interval: float = 0.05, again: bool = False) -> None:
        """Runs in threads of this process."""
        stop = threading.Event()
        models = self.left.enter_context(DeviceModels(self.place, self.cache, self.told.append))
        images, records = ImageFolder(self.images, again), Records(self.output, None)
        runner = Runner(images, models, records, self.said.append, self.told.append, stop)
        thread = threading.Thread(target=runner.run, args=[interval])
        self.left.callback(thread.join)
        self.left.callback(stop.set)
        models.follow()
        thread.start()

    def records(self) -> list[dict[str, Any]]:
        """What was written."""
        lines = self.output.read_text().splitlines() if self.output.exists() else []
        return [json.loads(line) for line in lines]

    def of(self, name: str) -> list[dict[str, Any]]:
        """What was written of one image."""
        return [record for record in self.records() if record["image"] == str(self.images / name)]

    def has_told(self, text: str) -> Callable[[], bool]:
        """Whether a line with this text was printed, when asked."""
        return lambda: any(text in line for line in self.told)


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path)
    with device.left:
        yield device
