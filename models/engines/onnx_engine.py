"""ONNX Runtime; needs neither TensorFlow nor Keras."""

from __future__ import annotations

from typing import Any

import onnxruntime
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, Artefact

_PREFERRED_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxEngine:
    """A model in an ONNX Runtime session, on a GPU where ONNX Runtime sees one."""

    def __init__(self, artefact: Artefact, threads: int) -> None:
        self._session = open_session(str(artefact.folder / ONNX_FILE), threads)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def predict(self, batch: NDArray[Any]) -> NDArray[Any]:
        """See `Engine.predict`."""
        result: NDArray[Any] = self._session.run([self._output], {self._input: batch})[0]
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
