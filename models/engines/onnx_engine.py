"""ONNX Runtime; needs neither TensorFlow nor Keras."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, Artefact
from models.compute_threads import compute_threads
from models.engines.engine import WHOLE_BATCH

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
        self._run = WHOLE_BATCH
        self._threads = threads
        if session.get_providers()[0] == "CPUExecutionProvider":
            manifest = artefact.manifest
            size = math.prod(manifest.input_shape) * np.dtype(manifest.input_dtype).itemsize
            self._run = max(1, RUN_BYTES // size)
        if fixed := _fixed_batch(session):
            self._run = max(fixed, self._run - self._run % fixed)
        self.largest_run = self._run * threads

    def predict(self, batch: NDArray[Any]) -> NDArray[Any]:
        """See `Engine.predict`."""
        runs = [batch[start : start + self._run] for start in range(0, len(batch), self._run)]
        if len(runs) == 1:
            return self._answer(batch)
        side_by_side = compute_threads().map if self._threads > 1 else map
        return np.concatenate(list(side_by_side(self._answer, runs)))


def answering(session: onnxruntime.InferenceSession) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What a session makes of a batch of any size: from shape (n, …), n ≥ 1, to its first output, shape (n, …).

    A model that takes a fixed number of images, as many exporters write it, runs as often as needed; the last image
    stands in for what is missing.

    Args:
        session: of one input.
    """
    name, fixed = session.get_inputs()[0].name, _fixed_batch(session)

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(session.run(None, {name: batch})[0])

    def run_in_turns(batch: NDArray[Any]) -> NDArray[Any]:
        assert fixed is not None
        missing = -len(batch) % fixed
        whole = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch
        rows = [run(whole[start : start + fixed]) for start in range(0, len(whole), fixed)]
        return np.concatenate(rows)[: len(batch)]

    return run if fixed is None else run_in_turns


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
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in _PREFERRED_PROVIDERS if provider in available]
    return onnxruntime.InferenceSession(model, options, providers=providers)
