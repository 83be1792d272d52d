"""Saves a model of more layers in a row than Python nests calls, by each Keras, and opens it: `deep_models FOLDER`."""

import sys
from pathlib import Path
from typing import Any

import keras
import tf_keras

from models.vetting.keras_candidate import KerasCandidate


def _deep(library: Any) -> Any:
    image = library.Input((8, 8, 3))
    found = library.layers.Flatten()(image)
    for _ in range(1100):
        found = library.layers.ReLU()(found)
    return library.Model(image, found)


if __name__ == "__main__":
    usual = sys.getrecursionlimit()
    for library in (keras, tf_keras):
        path = Path(sys.argv[1]) / f"{library.__name__}.h5"
        sys.setrecursionlimit(10_000)
        _deep(library).save(path)
        sys.setrecursionlimit(usual)
        print(KerasCandidate(path, "hdf5", 1 << 30).input_shape)
