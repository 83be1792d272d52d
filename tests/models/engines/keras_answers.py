"""What a model answers in Keras itself: `keras_answers MODEL FOLDER`, from `batches.npz` to `answers.npz`."""

import sys
from pathlib import Path

import keras
import numpy as np

if __name__ == "__main__":
    model, folder = keras.models.load_model(sys.argv[1], compile=False), Path(sys.argv[2])
    with np.load(folder / "batches.npz") as batches:
        answers = {name: np.asarray(model(batches[name])) for name in batches}
    np.savez(folder / "answers.npz", allow_pickle=False, **answers)
