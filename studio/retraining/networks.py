"""What this project's models are: how they take images, how they are built, and how they learn the same each time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import InputSpec
from models.printable import logger
from studio.retraining.digits import CLASSES, SIDE
from studio.retraining.progress import PART

INPUT = InputSpec(SIDE, SIDE, channels=1)
"""How the stream prepares images for these models: grey, 28x28, 0..1."""
LABELS = tuple(str(digit) for digit in range(CLASSES))
LOSS = "sparse_categorical_crossentropy"
_LOGGER = logger(__name__)
_TELL_SECONDS = 1.0


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels of shape (n, 28, 28) as models take them, shape (n, 28, 28, 1): to the last bit what the stream gives."""
    return np.divide(pixels[..., None], np.float32(255), dtype=np.float32)


def new_network() -> Any:
    """A model of Keras that knows nothing: class scores of shape (n, 10) for images of shape (n, 28, 28, 1)."""
    import keras

    return keras.Sequential(
        [
            keras.layers.Input((INPUT.height, INPUT.width, INPUT.channels)),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="conv"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dense(64, activation="relu", name="dense_hidden"),
            keras.layers.Dense(CLASSES, activation="softmax", name="dense_scores"),
        ]
    )


def repeatably(seed: int) -> None:
    """From here on the same steps give the same weights, on this machine, in any process.

    Args:
        seed: of all that is drawn by chance.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def told_of_epochs(epochs: int) -> Any:
    """A callback of Keras that logs how far a training is, once a second at most."""
    import keras

    told = time.monotonic()

    def tell(epoch: int, logs: dict[str, float]) -> None:
        nonlocal told
        if epoch + 1 == epochs or time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            done = {PART: (epoch + 1) / epochs}
            _LOGGER.info("epoch %d of %d, loss %.4f", epoch + 1, epochs, logs["loss"], extra=done)

    return keras.callbacks.LambdaCallback(on_epoch_end=tell)
