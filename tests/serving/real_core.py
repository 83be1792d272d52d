"""A server's core as it runs: it watches a folder, vets, loads models into processes of their own, and answers."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.serving import ServingConfig
from models.storage.schemes import AnyStorage
from serving.admission import Room
from serving.asking import Answer, Asked
from serving.core import Core, CoreConfig
from serving.statuses import State, Status
from tests.waiting import eventually

PROTOCOL = "tensorflow"


def picture(grey: int = 128) -> bytes:
    """A PNG of 8 by 8 equal pixels."""
    made = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), grey, np.uint8)).save(made, "PNG")
    return made.getvalue()


@dataclass(frozen=True)
class RealCore:
    """A core and what lies under it.

    Attributes:
        core: it.
        models: the folder of its models.
        cache: the folder of what it compiled.
    """

    core: Core
    models: Path
    cache: Path

    def ask(self, *images: bytes) -> Answer:
        """The answer to a request of images."""
        return asyncio.run(self.core.answer(Asked(images), PROTOCOL))

    def await_live(self, path: Path) -> str:
        """Waits until a file is the live model; returns its id."""

        def model_id() -> str:
            live = self.core.live
            return live.reference.model_id if live and Path(live.reference.uri).name == path.name else ""

        return eventually(model_id, f"{path.name} to be live")

    def status(self, name: str) -> Status | None:
        """Of the model of a file's name; the newest, where there are several."""
        return next((each for each in reversed(self.core.statuses.all()) if f"/{name}@" in each.model_id), None)

    def await_state(self, name: str, state: State) -> Status:
        """Waits until a model is in a state."""

        def look() -> Status | None:
            status = self.status(name)
            return status if status is not None and status.state is state else None

        found = eventually(look, f"{name} to be {state.name}")
        assert found is not None
        return found

    def metric(self, line: str) -> float:
        """The value of a series, by its name and labels as Prometheus reads them; 0 where there is none."""
        for each in self.core.metrics.text().decode().splitlines():
            name, _, value = each.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0


@contextmanager
def real_core(
    folder: Path, cache: Path | None = None, room: Room | None = None, batch_wait: float = 0.0
) -> Iterator[RealCore]:
    """A core on an empty folder of models within it.

    Args:
        folder: has the models, and what is compiled unless `cache` is given.
        cache: what was compiled before.
        room: what may be under way.
        batch_wait: seconds that a request waits for others.
    """
    models, kept = folder / "models", cache or folder / "cache"
    models.mkdir()
    config = ServingConfig(str(models / "*.onnx"), 0.05, engine="onnx", max_batch_size=4, cache_folder=str(kept))
    core = Core(CoreConfig(config, room=room or Room(), batch_wait=batch_wait), AnyStorage())
    try:
        yield RealCore(core, models, kept)
    finally:
        core.close()


def newer(path: Path, than: Path) -> Path:
    """A file that is newer than another, whatever the file system's clock says."""
    moment = than.stat().st_mtime + 10
    os.utime(path, (moment, moment))
    return path
