"""Trains the demonstration's two classifiers, and says what each answers to every held-out digit.

A process of its own, so that the demonstration itself needs no TensorFlow. Digits: scikit-learn's copy of the UCI
"Optical Recognition of Handwritten Digits" data set, 1,797 images of 8x8 pixels, by 43 writers.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 28
FEW = 40
"""Examples that the first model learns from."""
HELD_OUT = 600
SEED = 7


@dataclass(frozen=True, slots=True)
class Digits:
    """Pixels of shape (n, 28, 28), uint8, black on which white ink; labels 0..9 of shape (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def load_digits() -> tuple[Digits, Digits]:
    """The training split and the held-out split, in a fixed random order."""
    from sklearn.datasets import load_digits as load

    images, labels = load(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(labels))
    pixels = np.stack([_enlarged(images[i]) for i in order])
    labels = labels[order].astype(np.int64)
    return Digits(pixels[HELD_OUT:], labels[HELD_OUT:]), Digits(pixels[:HELD_OUT], labels[:HELD_OUT])


def _enlarged(flat: NDArray[np.float64]) -> NDArray[np.uint8]:
    small = Image.fromarray((flat.reshape(8, 8) * (255 / 16)).astype(np.uint8))
    return np.asarray(small.resize((SIDE, SIDE)))


def train(digits: Digits, path: Path, held_out: Digits) -> list[int]:
    """Trains on `digits`, writes an `.h5` to `path`, and returns the class of each held-out digit."""
    import keras

    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            keras.layers.Input((SIDE, SIDE, 1)),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(digits.pixels[..., None] / 255, digits.labels, batch_size=16, epochs=12, verbose=0)
    model.save(path)
    scores = model.predict(held_out.pixels[..., None] / 255, verbose=0)
    return [int(index) for index in scores.argmax(axis=1)]


def main(folder: Path) -> None:
    """Leaves `few.h5`, `all.h5` and `answers.json` in `folder`: what each model says to each held-out digit."""
    training, held_out = load_digits()
    few = Digits(training.pixels[:FEW], training.labels[:FEW])
    answers = {
        "few": train(few, folder / "few.h5", held_out),
        "all": train(training, folder / "all.h5", held_out),
    }
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(Path(sys.argv[1]))
