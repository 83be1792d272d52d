"""ONNX Runtime; needs neither TensorFlow nor Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, Artefact
from models.engines.engine import WHOLE_BATCH, Outputs, Predict, by_fixed_batches, images_of_a_run, in_runs
from models.engines.gpus import are_gpus_hidden

RUN_BYTES = 1_250_000
"""Input of one run on a CPU, two photographs of 224x224: more leave its caches (docs/performance.md)."""
_PREFERRED_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxEngine:
    """A model in an ONNX Runtime session, on a GPU where ONNX Runtime sees one.

    On a CPU a batch is computed in small runs side by side, each on one thread: runs that share out each operator
    wait for one another some fifty times.
    """

    def __init__(self, artefact: Artefact, threads: int) -> None:
        session = open_session(str(artefact.folder / ONNX_FILE))
        self._answer = answering(session)
        self._fixed = _fixed_batch(session)
        self._run = WHOLE_BATCH
        self._threads = threads
        if session.get_providers()[0] == "CPUExecutionProvider":
            self._run = images_of_a_run(RUN_BYTES, artefact.manifest, self._fixed)
        self.largest_run = self._run * threads

    def predict(self, batch: NDArray[Any]) -> Outputs:
        """See `Engine.predict`."""
        return in_runs(self._answer, batch, self._run, self._threads, self._fixed or 1)


def answering(session: onnxruntime.InferenceSession) -> Predict:
    """What a session of one input makes of a batch of any size, all its outputs."""
    name = session.get_inputs()[0].name

    def run(batch: NDArray[Any]) -> Outputs:
        return tuple(map(np.asarray, session.run(None, {name: batch})))

    return by_fixed_batches(run, _fixed_batch(session))


def _fixed_batch(session: onnxruntime.InferenceSession) -> int | None:
    """How many images a model takes at once, neither more nor fewer; None where any number will do."""
    first = next(iter(session.get_inputs()[0].shape), None)
    return first if isinstance(first, int) else None


def open_session(model: str | bytes) -> onnxruntime.InferenceSession:
    """A session, of a file or of a model's bytes, whose runs stay on the thread that asks for them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    available = ["CPUExecutionProvider"] if are_gpus_hidden() else onnxruntime.get_available_providers()
    providers = [provider for provider in _PREFERRED_PROVIDERS if provider in available]
    return onnxruntime.InferenceSession(model, options, providers=providers)
