"""Has Keras save a tiny image classifier: `saved_by_keras PATH ...`, in the format of each path's suffix."""

from __future__ import annotations

import sys

import keras

if __name__ == "__main__":
    layers = keras.layers
    model = keras.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), layers.Dense(3, activation="softmax")])
    for path in sys.argv[1:]:
        model.save(path)
