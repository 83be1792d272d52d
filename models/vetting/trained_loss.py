"""The loss in a Keras file that was saved with its training. Runs in the vetting child."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py

from models.model_files import FileKind
from models.tasks.training import Loss


def trained_loss(path: Path, kind: FileKind) -> Loss | None:
    """The one loss that a model was trained with; None where its file tells none, or several."""
    try:
        training = _training(path, kind)
    except (OSError, RecursionError, TypeError, ValueError):  # nothing depends on it
        return None
    loss = training.get("loss") if isinstance(training, dict) else None
    while isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    if isinstance(loss, dict):
        loss = loss.get("config") if loss.get("class_name") == "function" else loss.get("class_name")
    return Loss.named(loss) if isinstance(loss, str) else None


def _training(path: Path, kind: FileKind) -> Any:
    if kind == "hdf5":
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs.get("training_config", "null"))
    with zipfile.ZipFile(path) as archive:
        configuration = json.loads(archive.read("config.json"))
    return configuration.get("compile_config") if isinstance(configuration, dict) else None
