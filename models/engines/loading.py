"""Loads what executes a compiled model into this process: a host's or a vetting child's, never the job's."""

from __future__ import annotations

from models.artefacts import Artefact
from models.engines.engine import Engine


def load_engine(artefact: Artefact, threads: int) -> Engine:
    """The engine of an artefact, loaded.

    Args:
        artefact: what vetting compiled.
        threads: CPU threads that one prediction may use.
    """
    match artefact.manifest.engine:
        case "openvino":
            from models.engines.openvino_engine import OpenVinoEngine

            return OpenVinoEngine(artefact, threads)
        case "onnx":
            from models.engines.onnx_engine import OnnxEngine

            return OnnxEngine(artefact, threads)
        case "tensorflow":
            from models.engines.tensorflow_engine import TensorFlowEngine

            return TensorFlowEngine(artefact, threads)
