"""Saves models as people save them, with Keras 2 and 3, and what each answers: `peoples_models FOLDER`.

Beside `NAME.h5` lies `NAME.npz`: `images`, pixels 0..255, and `answers`, which the model gave to them in its own Keras.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
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


def attending(library: Any) -> Any:
    """A model whose rows attend to each other."""
    layers = library.layers
    image = layers.Input((28, 28))
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=8)(image, image)
    found = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(image + attended))
    return library.Model(image, layers.Dense(10, activation="softmax")(found))


def mixed_precision(library: Any) -> Any:
    """A model that computes in 16 bits and keeps its weights in 32."""
    layers = library.layers
    half = "mixed_float16"
    found = [
        layers.Input((SIDE, SIDE, 3)),
        layers.Conv2D(4, 3, activation="relu", dtype=half),
        layers.GlobalAveragePooling2D(dtype=half),
        layers.Dense(3, dtype=half),
        layers.Activation("softmax", dtype="float32"),
    ]
    return library.Sequential(found)


def of_dtype(dtype: str) -> Callable[[Any], Any]:
    """A model whose images are of a dtype, and which scales them itself."""

    def make(library: Any) -> Any:
        layers = library.layers
        image = layers.Input((SIDE, SIDE, 3), dtype=dtype)
        found = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(image))
        return library.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(found)))

    return make


def fixed_batch(library: Any) -> Any:
    """A model that takes four images at once, neither more nor fewer."""
    layers = library.layers
    image = layers.Input(batch_shape=(4, SIDE, SIDE, 3))
    found = layers.Reshape((-1, 4))(layers.Conv2D(4, 3)(image))
    return library.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(found)))


def yes_or_no(library: Any) -> Any:
    """A model whose one number is a logit, as its loss alone tells, with an initializer of TensorFlow's own."""
    layers = library.layers
    start = tf.constant_initializer(0.5)
    head = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(1, bias_initializer=start)]
    model = library.Sequential([layers.Input((SIDE, SIDE, 3)), *head])
    model.compile("adam", library.losses.BinaryCrossentropy(from_logits=True))
    return model


def teachable_machine(library: Any) -> Any:
    """A `Sequential` of two, as Teachable Machine builds them: a MobileNet, and a classifier of its own."""
    layers = library.layers
    base = library.applications.MobileNetV2(input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None)
    features = library.Sequential([base, layers.GlobalAveragePooling2D()])
    head = [layers.Dense(10, activation="relu"), layers.Dense(2, activation="softmax", use_bias=False)]
    model = library.Sequential([features, library.Sequential([layers.Input((1280,)), *head])])
    model.build((None, 96, 96, 3))
    return model


MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], float, float]] = {
    "transfer_learning": (transfer_learning, (SIDE, SIDE, 3), 1.0, 0.0),
    "tutorial": (tutorial, (SIDE, SIDE, 3), 1.0, 0.0),
    "normalizing": (normalizing, (SIDE, SIDE, 3), 1.0, 0.0),
    "any_size": (any_size, (224, 224, 3), 1.0, 0.0),
    "rows": (rows, (28, 28), 1 / 255, 0.0),
    "attending": (attending, (28, 28), 1 / 255, 0.0),
    "mixed_precision": (mixed_precision, (SIDE, SIDE, 3), 1 / 255, 0.0),
    "half": (of_dtype("float16"), (SIDE, SIDE, 3), 1.0, 0.0),
    "bytes": (of_dtype("uint8"), (SIDE, SIDE, 3), 1.0, 0.0),
    "fixed_batch": (fixed_batch, (SIDE, SIDE, 3), 1 / 255, 0.0),
    "yes_or_no": (yes_or_no, (SIDE, SIDE, 3), 1 / 255, 0.0),
    "teachable_machine": (teachable_machine, (96, 96, 3), 1 / 127.5, 1.0),
}
"""What makes a model, the shape of its images, what its pixels are multiplied by before it gets them, and less what."""


def date_back(path: Path) -> None:
    """Names the modules as Keras 2.15 named them, whose package was `keras` then."""
    with h5py.File(path, "r+") as file:
        file.attrs["keras_version"] = "2.15.0"
        configuration = file.attrs["model_config"]
        assert "tf_keras.src" in configuration
        file.attrs["model_config"] = configuration.replace("tf_keras.src", "keras.src")


def with_earlier_rotations(path: Path) -> None:
    """Gives `RandomRotation` the field that Keras 3.0 wrote."""
    with h5py.File(path, "r+") as file:
        configuration = file.attrs["model_config"]
        earlier = configuration.replace('"fill_mode":', '"value_range": [0, 255], "fill_mode":')
        assert earlier != configuration
        file.attrs["model_config"] = earlier


def main(folder: Path) -> None:
    chance = np.random.default_rng(5)
    for version, library in ((2, tf_keras), (3, keras)):
        for name, (make, shape, scale, mean) in MODELS.items():
            model = make(library)
            images = chance.integers(0, 256, (4, *shape), np.uint8)
            pixels = images.astype(np.float32) * np.float32(scale) - np.float32(mean)
            dtype = model.inputs[0].dtype
            answers = np.asarray(model(pixels.astype(getattr(dtype, "name", dtype)), training=False))
            path = folder / f"{name}_{version}.h5"
            model.save(path)
            if (name, version) == ("teachable_machine", 2):
                date_back(path)
            if (name, version) == ("tutorial", 3):
                with_earlier_rotations(path)
            np.savez(folder / f"{name}_{version}.npz", allow_pickle=False, images=images, answers=answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
