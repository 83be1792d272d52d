"""The loss in a Keras file that was saved with its training. Runs in the vetting child."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py

from models.model_files import FileKind
from models.tasks.training import Loss


def trained_loss(path: Path, kind: FileKind, configuration: Any) -> Loss | None:
    """The one loss that a model was trained with; None where its file tells none, or several.

    Args:
        path: of the file.
        kind: of the file.
        configuration: in it, parsed; a `.keras` file has the training there, an HDF5 file beside it.
    """
    training = _training_in_hdf5(path) if kind == "hdf5" else _field(configuration, "compile_config")
    loss = _field(training, "loss")
    while isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    if isinstance(loss, dict):
        loss = loss.get("config") if loss.get("class_name") == "function" else loss.get("class_name")
    return Loss.named(loss) if isinstance(loss, str) else None


def _training_in_hdf5(path: Path) -> Any:
    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs.get("training_config", "null"))
    except (OSError, RecursionError, TypeError, ValueError):  # nothing depends on it
        return None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
