"""Trains the demonstrations' classifiers, and says what each answers to every held-out digit.

A process of its own, so that the demonstration itself needs no TensorFlow.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from studio.retraining.digits import SEED, SIDE, Digits, load_digits

FEW = 40
"""Examples that the first model learns from."""
SOME = 100
"""Examples that a model learns from which is neither good nor bad."""
USUAL = ("few", "all")
"""The models that are trained where nobody asks for others."""


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


def main(folder: Path, names: Sequence[str] = USUAL) -> None:
    """Leaves models and `answers.json` in `folder`: what each model says to each held-out digit.

    Args:
        folder: that is there.
        names: `few`, `some` and `all`, by how many examples each learns from; a model's file is `NAME.h5`.
    """
    training, held_out = load_digits()
    examples = {"few": FEW, "some": SOME, "all": len(training)}
    answers = {name: train(training[: examples[name]], folder / f"{name}.h5", held_out) for name in names}
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(Path(sys.argv[1]), sys.argv[2:] or USUAL)
