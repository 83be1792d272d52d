"""What is installed to open and to execute models with: servers and devices do without Keras and TensorFlow."""

from __future__ import annotations

from importlib.util import find_spec

from models.artefacts import EngineName
from models.errors import KerasMissing
from models.model_files import needs_keras

KERAS = ("keras", "tensorflow")
"""What a vetting child imports for a Keras file."""


def has_keras() -> bool:
    """Whether Keras and TensorFlow are installed; nothing is imported."""
    return all(find_spec(name) is not None for name in KERAS)


def require_keras_for(file_name: str) -> None:
    """Does nothing where a file of this name can be opened.

    Raises:
        KerasMissing: it is for Keras to load, which is not installed.
    """
    if needs_keras(file_name) and not has_keras():
        raise KerasMissing(
            "it is a Keras file, and TensorFlow is not installed here; where it is, `hotswap vet MODEL --registry URI` "
            "puts what is found out into the registry that is read here too"
        )


def require_installed(engine: EngineName) -> None:
    """Does nothing where an engine can be had.

    Raises:
        KerasMissing: it is TensorFlow, which is not installed.
    """
    if engine == "tensorflow" and find_spec("tensorflow") is None:
        raise KerasMissing("it was compiled for TensorFlow, which is not installed here; publish it as .onnx")
