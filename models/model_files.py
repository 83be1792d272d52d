"""The kinds of model files, and the suffixes that they bear."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

FileKind = Literal["hdf5", "keras", "onnx"]

SUFFIXES_OF_KIND: dict[FileKind, tuple[str, ...]] = {
    "hdf5": (".h5", ".hdf5"),
    "keras": (".keras",),
    "onnx": (".onnx",),
}
MODEL_SUFFIXES = tuple(suffix for suffixes in SUFFIXES_OF_KIND.values() for suffix in suffixes)

LONGEST_STEM = 150
"""Characters of a name that are kept where something is added to it; file systems allow 255 bytes in all."""


def needs_keras(uri: str) -> bool:
    """Whether a file of this name is for Keras to load, as far as its suffix tells."""
    return PurePosixPath(uri).suffix.lower() not in SUFFIXES_OF_KIND["onnx"]
