"""How long the steps of a vetted model take on this machine."""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Artefact
from models.compute_threads import cores
from models.engines.engine import Engine
from models.hosting.hosted_engine import Hosts

_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Timings:
    """How long a model's steps take here, in seconds.

    Attributes:
        vetting: when it was vetted, which the cache of compiled models may have saved this time.
        this_call: from asking for the verdict to having it.
        loading: of the compiled model.
        one_image: a prediction, the median of five.
        batch: the same for `batch_size` images at once.
        batch_size: the largest batch.
    """

    vetting: float
    this_call: float
    loading: float
    one_image: float
    batch: float
    batch_size: int

    def to_json(self) -> dict[str, Any]:
        """Seconds, rounded to microseconds."""
        return {name: round(getattr(self, name), 6) for name in self.__slots__}


def measure(artefact: Artefact, this_call: float, batch_size: int) -> Timings:
    """Loads a compiled model, as a job would, and has it predict black images.

    Raises:
        ModelFailed: it does not.
    """
    manifest = artefact.manifest
    with contextlib.closing(Hosts()) as hosts:
        started = time.perf_counter()
        engine = hosts.load(artefact, cores())
        loading = time.perf_counter() - started
        alone, together = (
            _median(engine, np.zeros((images, *manifest.input_shape), manifest.input_dtype))
            for images in (1, batch_size)
        )
    return Timings(manifest.seconds, this_call, loading, alone, together, batch_size)


def _median(engine: Engine, batch: NDArray[Any]) -> float:
    engine.predict(batch)
    seconds = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        engine.predict(batch)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)
