"""`python -m benchmarks.fleet`: three machines that follow one folder, with a registry each, and with one for all.

Each machine is a reader of its own, with its own cache, vetting and host. A clock asks one of them by chance every
second, and what it states reaches all, as on Dataflow.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.images import MEDIUM, make_images
from benchmarks.model_files import SMALL_MODELS, make_models
from launch.demo.landing import land
from models.answering import answers
from models.images.decoding import Raster
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage

_MACHINES = 3
_TICK_SECONDS = 1.0
_LOOK_SECONDS = 10.0
_ROUNDS = 3


class Landing(NamedTuple):
    """What a new model's file brought about.

    Attributes:
        seconds: until every machine answers by it.
        vettings: how often it was vetted.
        cold_seconds: until a machine that joins then, the file gone, has given its first answer; None where it cannot.
    """

    seconds: float
    vettings: int
    cold_seconds: float | None


def landing(first: Path, second: Path, shared: bool, seed: int) -> Landing:
    """Has `second` land where three machines answer by `first`."""
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as closing:
        folder = Path(scratch)
        (folder / "models").mkdir()
        fleet = [closing.enter_context(_machine(folder, f"{number}", shared)) for number in range(_MACHINES)]
        chance = random.Random(seed)  # noqa: S311 - who is asked is no secret
        _land(first, folder)
        _until_all_answer(fleet, "first.h5", chance)
        before = _vettings(fleet)
        _land(second, folder)
        seconds = _until_all_answer(fleet, "second.h5", chance)
        return Landing(seconds, _vettings(fleet) - before, _cold(folder) if shared else None)


@contextlib.contextmanager
def _machine(folder: Path, name: str, shared: bool) -> Iterator[Serving]:
    config = ServingConfig(
        f"{folder}/models/*.h5",
        _TICK_SECONDS,
        cache_folder=str(folder / f"cache-{name}"),
        registry=str(folder / ("registry" if shared else f"registry-{name}")),
        alone=False,
    )
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        yield serving


def _land(model: Path, folder: Path) -> None:
    name = "first.h5" if not any((folder / "models").iterdir()) else "second.h5"
    land(model, folder / "models" / name)


def _until_all_answer(fleet: list[Serving], name: str, chance: random.Random) -> float:
    landed = time.monotonic()
    while not all(_answers_by(each, name) for each in fleet):
        ticked = time.monotonic()
        stated = chance.choice(fleet).watch.fresh_statement(_LOOK_SECONDS)
        if stated is not None:
            for each in fleet:
                each.follow(stated)
        while time.monotonic() - ticked < _TICK_SECONDS and not all(_answers_by(each, name) for each in fleet):
            time.sleep(0.02)
    return time.monotonic() - landed


def _answers_by(serving: Serving, name: str) -> bool:
    live = serving.live.peek()
    return live is not None and live.reference.uri.endswith(f"/{name}")


def _vettings(fleet: list[Serving]) -> int:
    return sum(each.events.counts()["accepted"] for each in fleet)


def _cold(folder: Path) -> float:
    """Seconds until a new machine has answered, to which no model file is left."""
    shutil.rmtree(folder / "models")
    began = time.monotonic()
    with _machine(folder, "new", shared=True) as newcomer:
        stated = newcomer.watch.fresh_statement(_LOOK_SECONDS)
        assert stated is not None
        newcomer.follow(stated)
        answers(newcomer.live.current(), [Raster(np.zeros((224, 224, 3), np.uint8))])
        return time.monotonic() - began


def main() -> None:
    """Prints a row for each way."""
    out = Path(".bench").resolve()
    images = make_images(MEDIUM, out / "images")
    models = make_models(out / "models", Path(images[0]).parent, SMALL_MODELS)
    first, second = models["mobilenet_a"], models["mobilenet_b"]
    print("registry   seconds until 3 of 3   vettings   cold start, s")
    for shared in (False, True):
        told = [landing(first, second, shared, seed) for seed in range(_ROUNDS)]
        seconds = statistics.median(each.seconds for each in told)
        vettings = statistics.median(each.vettings for each in told)
        cold = [each.cold_seconds for each in told if each.cold_seconds is not None]
        print(
            f"{'one for all' if shared else 'one each':11}{seconds:20.1f}{vettings:11.0f}"
            f"{statistics.median(cold) if cold else float('nan'):16.2f}"
        )


if __name__ == "__main__":
    main()
