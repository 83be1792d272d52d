"""A hundred swaps under load: `hundred_swaps FOLDER` says how many models and how much memory it held."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import threading
from pathlib import Path

import numpy as np
import psutil

from models.artefacts import Vetted
from models.events import EventLog
from models.hosting.hosted_engine import Hosts
from models.images.decoding import Raster
from models.live import LiveModels
from models.reference import ModelReference, Statement
from tests.model_files import vetted_classifier
from tests.waiting import eventually


def main(folder: Path) -> None:
    shelf: dict[ModelReference, Vetted] = {}
    images = [Raster(np.zeros((64, 64, 3), np.uint8))] * 8
    models = LiveModels(lambda reference: shelf[reference], EventLog(), Hosts().load, warm_sizes=(1, 8))
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            models.current().predict(images)

    resident, memory = [], []
    worker = threading.Thread(target=load)
    for number in range(101):
        vetted = vetted_classifier(folder / str(number), classes=102, favours=number, side=64)  # 5 MB of weights
        shelf[vetted.reference] = vetted
        models.follow(Statement(vetted.reference, number + 1))

        def is_live(reference: ModelReference = vetted.reference) -> bool:
            resident.append(models.resident())
            live = models.peek()
            return live is not None and live.reference == reference

        eventually(is_live, f"swap {number}")
        shutil.rmtree(vetted.artefact.folder)
        if number == 0:
            worker.start()
        memory.append(psutil.Process().memory_info().rss)
    done.set()
    # A look may fall amid a batch or a load: hence the medians.
    after_10, after_100 = statistics.median(memory[6:16]), statistics.median(memory[-10:])
    print(json.dumps({"resident": max(resident), "after_10": after_10, "after_100": after_100}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
