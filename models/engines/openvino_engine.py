"""OpenVINO; needs neither TensorFlow nor Keras."""

from __future__ import annotations

from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import OPENVINO_FILE, Artefact
from models.engines.engine import Outputs, Predict, by_fixed_batches, images_of_a_run, in_runs
from models.engines.quiet_openvino import load_openvino

RUN_BYTES = 2_500_000
"""Input of one run, four photographs of 224x224 (docs/performance.md)."""


class OpenVinoEngine:
    """A model that OpenVINO has compiled for this CPU, in the precision that it was trained in.

    A batch is computed in small runs side by side, each on one thread.
    """

    def __init__(self, artefact: Artefact, threads: int) -> None:
        model = compiled(artefact.folder / OPENVINO_FILE, threads)
        self._answer = answering(model)
        self._threads = threads
        self._fixed = _fixed_batch(model)
        self._run = images_of_a_run(RUN_BYTES, artefact.manifest, self._fixed)
        self.largest_run = self._run * threads

    def predict(self, batch: NDArray[Any]) -> Outputs:
        """See `Engine.predict`."""
        return in_runs(self._answer, batch, self._run, self._threads, self._fixed or 1)


def compiled(path: Path, threads: int) -> Any:
    """A model of OpenVINO's own format (`openvino.CompiledModel`), ready for `threads` runs side by side.

    Left alone OpenVINO computes in bfloat16 where the CPU can, and keeps its threads each to one core, which are the
    same cores for the model before and the model after a swap.
    """
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    return load_openvino().Core().compile_model(path, "CPU", settings)


def answering(model: Any) -> Predict:
    """What a compiled model makes of a batch of any size, in the order of its outputs; threads may ask side by side."""
    idle: SimpleQueue[Any] = SimpleQueue()

    def run(batch: NDArray[Any]) -> Outputs:
        try:
            request = idle.get_nowait()
        except Empty:
            request = model.create_infer_request()
        try:
            answered = request.infer([batch], share_inputs=True)
            return tuple(np.asarray(answered[output]) for output in model.outputs)
        finally:
            idle.put(request)

    return by_fixed_batches(run, _fixed_batch(model))


def _fixed_batch(model: Any) -> int | None:
    """How many images a model takes at once, neither more nor fewer; None where any number will do."""
    shape = model.inputs[0].partial_shape
    return shape[0].get_length() if shape.rank.is_static and len(shape) and shape[0].is_static else None
