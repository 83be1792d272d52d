"""The kinds of model files, and the suffixes that they bear."""

from __future__ import annotations

from typing import Literal

FileKind = Literal["hdf5", "keras", "onnx"]

SUFFIXES_OF_KIND: dict[FileKind, tuple[str, ...]] = {
    "hdf5": (".h5", ".hdf5"),
    "keras": (".keras",),
    "onnx": (".onnx",),
}
MODEL_SUFFIXES = tuple(suffix for suffixes in SUFFIXES_OF_KIND.values() for suffix in suffixes)
