"""Has Keras save models that answer every image with the class of their number: `favourites FOLDER CLASSES`."""

import sys

import keras
import numpy as np

if __name__ == "__main__":
    folder, classes = sys.argv[1], int(sys.argv[2])
    layers = keras.layers
    for favoured in range(classes):
        model = keras.Sequential([layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(classes)])
        biases = 5 * np.eye(classes, dtype="float32")[favoured]
        model.layers[-1].set_weights([np.zeros((192, classes), "float32"), biases])
        model.save(f"{folder}/favours{favoured}.h5")
