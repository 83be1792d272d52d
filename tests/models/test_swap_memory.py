"""A hundred swaps in a process of their own, under load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_HUNDRED_SWAPS = """
import json, shutil, statistics, sys, threading, time
from pathlib import Path
import numpy as np, psutil
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModels
from models.reference import Statement
from tests.model_files import vetted_classifier

folder = Path(sys.argv[1])
shelf, images = {}, [Raster(np.zeros((64, 64, 3), np.uint8))] * 8
models = LiveModels(lambda reference: shelf[reference], EventLog(), warm_sizes=(1, 8))
done = threading.Event()

def load():
    while not done.is_set():
        models.current().predict(images)

resident, memory = [], []
worker = threading.Thread(target=load)
for number in range(101):
    vetted = vetted_classifier(folder / str(number), classes=102, favours=number, side=64)  # 5 MB of weights
    shelf[vetted.reference] = vetted
    models.follow(Statement(vetted.reference, number + 1))
    while (live := models.peek()) is None or live.reference != vetted.reference:
        resident.append(models.resident())
        time.sleep(0.001)
    del live
    shutil.rmtree(vetted.artefact.folder)
    if number == 0:
        worker.start()
    memory.append(psutil.Process().memory_info().rss)
done.set()
# A look may fall amid a batch or a load: hence the medians.
after_10, after_100 = statistics.median(memory[6:16]), statistics.median(memory[-10:])
print(json.dumps({"resident": max(resident), "after_10": after_10, "after_100": after_100}))
"""


def test_a_hundred_swaps_leave_memory_flat_and_at_most_two_models(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HUNDRED_SWAPS, str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["resident"] <= 2
    assert found["after_100"] < 1.1 * found["after_10"], found
