"""Saves the Keras models that the fuzzer begins with: `seed_models FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import tf_keras

from tests.models.vetting.peoples_models import normalizing, tutorial

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, make in (("tutorial", tutorial), ("normalizing", normalizing)):
        model = make(keras)
        for suffix in (".keras", ".h5"):
            model.save(folder / f"{name}-3{suffix}")
        make(tf_keras).save(folder / f"{name}-2.h5")
