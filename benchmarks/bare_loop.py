"""Decoding and the engine in threads, with nothing around them: the limit of the machine."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ways import Setup, Timing, stopwatch
from models.compute_threads import cores
from models.engines.loading import load_engine
from models.images.decoding import DecodeLimits, decode_image
from models.images.model_input import model_input
from models.memory import keep_freed_memory
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter


class BareWay:
    """As many threads as cores, each of which reads, decodes and classifies batches of its own.

    No batch waits for another and the model runs on the thread that calls it, so all cores are busy to the end and
    nothing is left to save but work itself. The same engine, compiled model and decoder as the job's; each call is as
    large as the engine's own runs, which it then computes on the thread that calls.
    """

    def __init__(self, setup: Setup) -> None:
        keep_freed_memory()
        vetter = Vetter(LocalStorage(), ArtefactCache(Path(setup.cache)), "auto", setup.batch)
        self._artefact = vetter.vet(setup.model).artefact
        self._engine = load_engine(self._artefact, cores())
        self._run = max(1, self._engine.largest_run // cores())
        self._batch = setup.batch
        self._limits = DecodeLimits()

    def classify(self, paths: list[str]) -> Timing:
        """See `Way.classify`."""
        classes = [-1] * len(paths)
        size = min(self._batch, max(1, len(paths) // (4 * cores())))
        left = deque(range(0, len(paths), size))
        threads = [threading.Thread(target=self._work, args=(paths, left, size, classes)) for _ in range(cores())]
        with stopwatch() as taken:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert -1 not in classes
        return Timing(len(paths), taken[0], taken[1], classes[0])

    def one_by_one(self, paths: list[str]) -> list[float]:
        """See `Single.one_by_one`."""
        taken = []
        for path in paths:
            began = time.perf_counter()
            self._engine.predict(self._input([path]))
            taken.append(time.perf_counter() - began)
        return taken

    def _work(self, paths: list[str], left: deque[int], size: int, classes: list[int]) -> None:
        while True:
            try:
                begin = left.popleft()
            except IndexError:
                return
            batch = self._input(paths[begin : begin + size])
            for start in range(0, len(batch), self._run):
                (outputs,) = self._engine.predict(batch[start : start + self._run])
                first = begin + start
                classes[first : first + len(outputs)] = [int(index) for index in np.argmax(outputs, axis=1)]

    def _input(self, paths: Sequence[str]) -> NDArray[Any]:
        """What the model takes, of images, or of files that hold just that."""
        if paths[0].endswith(".npy"):
            return np.stack([np.load(path) for path in paths])
        spec = self._artefact.manifest.card.input
        needed = spec.height, spec.width
        images = [decode_image(Path(path).read_bytes(), limits=self._limits, needed=needed) for path in paths]
        return model_input(images, self._artefact.manifest)
