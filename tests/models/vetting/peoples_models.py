"""Saves models as people save them, with Keras 2 and 3, and what each answers: `peoples_models FOLDER`.

Beside `NAME.h5` lies `NAME.npz`: `images`, pixels 0..255, and `answers`, which the model gave to them in its own Keras.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tf_keras

SIDE = 32


def transfer_learning(library: Any) -> Any:
    """A functional model around a base, which scales its pixels by operations as `preprocess_input` does."""
    layers = library.layers
    base = library.Sequential(
        [
            layers.Input((SIDE, SIDE, 8)),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
        ]
    )
    image = layers.Input((SIDE, SIDE, 3))
    scaled = image / 127.5 - 1.0
    answer = layers.Dense(3, activation="softmax")(layers.Dropout(0.2)(base(layers.Conv2D(8, 1)(scaled))))
    model = library.Model(image, answer)
    model.compile("adam", "categorical_crossentropy")
    model.fit(np.random.rand(8, SIDE, SIDE, 3) * 255, np.eye(3)[np.arange(8) % 3], verbose=0)
    return model


def tutorial(library: Any) -> Any:
    """A classifier that augments and rescales its own images, and whose class scores are logits."""
    layers = library.layers
    augmenting = library.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1), layers.Rescaling(1 / 255)])
    head = [layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(4)]
    return library.Sequential([layers.Input((SIDE, SIDE, 3)), augmenting, *head])


def normalizing(library: Any) -> Any:
    """A model with the mean and variance of its pixels in a layer, and a hard swish of bare operations."""
    layers = library.layers
    image = layers.Input((SIDE, SIDE, 3))
    normal = layers.Normalization(mean=[123.0, 117.0, 104.0], variance=[3400.0] * 3)(image)
    found = layers.Conv2D(4, 3)(normal)
    found = found * (layers.ReLU(6.0)(found + 3.0) * (1.0 / 6.0))
    return library.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(found)))


def any_size(library: Any) -> Any:
    """A model of images of any size, as `keras.applications` makes some, with channels in the order of Caffe."""
    layers = library.layers
    image = layers.Input((None, None, 3))
    swapped = library.applications.resnet50.preprocess_input(image)
    return library.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(swapped))))


def rows(library: Any) -> Any:
    """A recurrent model that reads an image row by row."""
    layers = library.layers
    return library.Sequential([layers.Input((28, 28)), layers.LSTM(8), layers.Dense(10, activation="softmax")])


MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], float]] = {
    "transfer_learning": (transfer_learning, (SIDE, SIDE, 3), 1.0),
    "tutorial": (tutorial, (SIDE, SIDE, 3), 1.0),
    "normalizing": (normalizing, (SIDE, SIDE, 3), 1.0),
    "any_size": (any_size, (224, 224, 3), 1.0),
    "rows": (rows, (28, 28), 1 / 255),
}
"""What makes a model, the shape of its images, and what its pixels are multiplied by before it gets them."""


def main(folder: Path) -> None:
    chance = np.random.default_rng(5)
    for version, library in ((2, tf_keras), (3, keras)):
        for name, (make, shape, scale) in MODELS.items():
            model = make(library)
            images = chance.integers(0, 256, (3, *shape), np.uint8)
            answers = np.asarray(model(images.astype(np.float32) * np.float32(scale), training=False))
            model.save(folder / f"{name}_{version}.h5")
            np.savez(folder / f"{name}_{version}.npz", allow_pickle=False, images=images, answers=answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
