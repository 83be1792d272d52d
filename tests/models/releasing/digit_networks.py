"""Trains a small convolutional net on scikit-learn's digits, and saves it as people save them: `digit_networks FOLDER`.

Leaves `keras3.keras`, `keras2.h5` and `exported.onnx` of the same weights, and in `images/` digits that are new to it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import tf_keras
from PIL import Image

from studio.retraining.digits import SIDE, load_digits

IMAGES = 120
NAMES = ("keras3.keras", "keras2.h5", "exported.onnx")


def network(library: Any) -> Any:
    """With what most architectures are built of: normalisation, a depthwise convolution, a shortcut, pooling."""
    layers = library.layers
    image = layers.Input((SIDE, SIDE, 1))
    found = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3, strides=2)(image)))
    deeper = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, padding="same")(found))
    joined = layers.Add()([found, layers.Conv2D(16, 1)(deeper)])
    flat = layers.Flatten()(layers.MaxPooling2D()(joined))
    return library.Model(image, layers.Dense(10, activation="softmax")(layers.Dense(48, activation="relu")(flat)))


def main(folder: Path) -> None:
    training, held_out = load_digits()
    keras.utils.set_random_seed(1)
    model = network(keras)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(training.pixels[..., None] / 255, training.labels, batch_size=16, epochs=5, verbose=0)
    same = network(tf_keras)
    same.set_weights(model.get_weights())
    model.save(folder / NAMES[0])
    same.save(folder / NAMES[1])
    model.export(folder / NAMES[2], format="onnx", verbose=False)
    (folder / "images").mkdir()
    for number, pixels in enumerate(held_out.pixels[:IMAGES]):
        Image.fromarray(pixels).save(folder / "images" / f"{number:03d}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
