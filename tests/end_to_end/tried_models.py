"""Has Keras save models that tell how bright an image is, each as good as its name says: `tried_models FOLDER`."""

import sys

import keras
import numpy as np
from numpy.typing import NDArray

CLASSES = 4
SIDE = 8
SURE = 80.0


def brightness_model(bias: NDArray[np.float64], slow: bool = False) -> keras.Model:
    """A model that says in which quarter of the range from black to white an image's mean is.

    Args:
        bias: of each class; the same of all makes other bytes, and the same answers.
        slow: whether it computes a great deal besides, of which next to nothing counts.
    """
    layers = keras.layers
    image = layers.Input((SIDE, SIDE, 3))
    middles = (np.arange(CLASSES) + 0.5) / CLASSES
    told = layers.Dense(CLASSES)
    scores = told(layers.GlobalAveragePooling2D()(image))
    told.set_weights([np.tile(2 * SURE * middles / 3, (3, 1)), bias - SURE * middles**2])
    if slow:
        large = layers.UpSampling2D(24)(image)
        for _ in range(3):
            large = layers.Conv2D(32, 3, activation="relu")(large)
        more = layers.Dense(CLASSES, kernel_initializer=keras.initializers.RandomNormal(stddev=1e-6))
        scores = layers.Add()([scores, more(layers.GlobalAveragePooling2D()(large))])
    return keras.Model(image, layers.Softmax()(scores))


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    alike = np.ones(CLASSES)
    models = {
        "good": brightness_model(0 * alike),
        "as_good": brightness_model(1 * alike),
        "good_too": brightness_model(2 * alike),
        "another": brightness_model(3 * alike),
        "worse": brightness_model(100 * np.eye(CLASSES)[0]),
        "slow": brightness_model(alike, slow=True),
    }
    for name, model in models.items():
        model.save(f"{sys.argv[1]}/{name}.h5")
