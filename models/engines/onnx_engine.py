"""ONNX Runtime; needs neither TensorFlow nor Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, Artefact
from models.engines.engine import WHOLE_BATCH

_CPU_PIECE = 4
"""Images in one run on a CPU: more leave its caches (docs/performance.md: 6.0 ms an image at 32, 4.0 ms at 4)."""
_PREFERRED_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxEngine:
    """A model in an ONNX Runtime session, on a GPU where ONNX Runtime sees one."""

    def __init__(self, artefact: Artefact, threads: int) -> None:
        self._session = open_session(str(artefact.folder / ONNX_FILE), threads)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        on_gpu = self._session.get_providers()[0] != "CPUExecutionProvider"
        self.largest_run = WHOLE_BATCH if on_gpu else _CPU_PIECE

    def predict(self, batch: NDArray[Any]) -> NDArray[Any]:
        """See `Engine.predict`."""
        pieces = [batch[start : start + self.largest_run] for start in range(0, len(batch), self.largest_run)]
        outputs = [self._session.run([self._output], {self._input: piece})[0] for piece in pieces]
        result: NDArray[Any] = outputs[0] if len(outputs) == 1 else np.concatenate(outputs)
        return result


def open_session(path: str, threads: int) -> onnxruntime.InferenceSession:
    """A session whose memory does not stay at the size of its largest batch, and whose idle threads sleep."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    available = onnxruntime.get_available_providers()
    providers = [provider for provider in _PREFERRED_PROVIDERS if provider in available]
    return onnxruntime.InferenceSession(path, options, providers=providers)
