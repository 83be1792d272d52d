"""Opens a candidate by what its bytes are. Runs in the vetting child."""

from __future__ import annotations

from pathlib import Path

from models.model_files import FileKind
from models.vetting.candidate import Candidate
from models.vetting.keras_candidate import KerasCandidate
from models.vetting.onnx_candidate import OnnxCandidate


def open_candidate(path: Path, kind: FileKind, max_bytes: int) -> Candidate:
    """Opens a model file.

    Raises:
        ModelRejected: with the reason.
    """
    return OnnxCandidate(path) if kind == "onnx" else KerasCandidate(path, kind, max_bytes)
