"""Has Keras save the five architectures with weights by chance, and what each answers: `architectures FOLDER`.

Beside `NAME.h5` lies `NAME.npz`: `images`, pixels 0..255 at the model's size, and each output by its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from benchmarks.random_weights import make_telling, photographs
from tests.models.tasks import ssd

SMALL = 64
PLANTED = ssd.Planted(5, 0, 0, 0, (0.0, 0.0, 0.0, 0.0), 7)
"""What the SSD finds in whatever image; its box is another for each."""


def classifier(make: Callable[..., Any], side: int, classes: int) -> Any:
    """An architecture of `keras.applications` with all of its layers."""
    model = make(weights=None, input_shape=(side, side, 3), classes=classes)
    images = photographs(side, side) / np.float32(255)
    turned = [np.rot90(images, turn, (1, 2)) for turn in range(4)]
    make_telling(keras, model, np.concatenate([*turned, *(1 - each for each in turned)]))
    return model


def ssd_vgg() -> Any:
    """SSD-VGG of 300 by 300 pixels: VGG-16, what goes on from there, and two heads on each of six feature maps."""
    layers = keras.layers
    image = found = layers.Input((ssd.SIDE, ssd.SIDE, 3))
    maps = []

    def convolved(given: Any, filters: int, size: int = 3, **how: Any) -> Any:
        return layers.Conv2D(
            filters, size, activation="relu", kernel_initializer="he_normal", **{"padding": "same", **how}
        )(given)

    for block, (filters, times) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        for _ in range(times):
            found = convolved(found, filters)
        if block == 3:
            maps.append(found)
        last = block == 4
        found = layers.MaxPooling2D(3 if last else 2, 1 if last else 2, padding="same")(found)
    found = convolved(convolved(found, 1024, dilation_rate=6), 1024, 1)
    maps.append(found)
    for filters, how in (
        (512, {"strides": 2}),
        (256, {"strides": 2}),
        (256, {"padding": "valid"}),
        (256, {"padding": "valid"}),
    ):
        found = convolved(convolved(found, filters // 2, 1), filters, **how)
        maps.append(found)
    outputs = []
    for number, (seen, cells, anchors) in enumerate(zip(maps, ssd.CELLS, ssd.ANCHORS, strict=True)):
        bias = np.zeros((anchors, ssd.CLASSES))
        bias[:, 0] = 8
        if number == PLANTED.feature_map:
            bias[PLANTED.anchor, PLANTED.label] = 16
        always = keras.initializers.Constant(bias.ravel())
        logits = layers.Conv2D(anchors * ssd.CLASSES, 3, padding="same", bias_initializer=always)(seen)
        scores = layers.Reshape((cells, cells, anchors, ssd.CLASSES))(logits)
        boxes = layers.Conv2D(anchors * 4, 3, padding="same")(seen)
        outputs += [
            layers.Softmax(name=f"scores_{number}")(scores),
            layers.Reshape((cells, cells, anchors, 4), name=f"boxes_{number}")(boxes),
        ]
    return keras.Model(image, outputs)


applications = keras.applications
MODELS: dict[str, Callable[[], Any]] = {
    "ResNet50": lambda: classifier(applications.ResNet50, SMALL, 1000),
    "ResNet152": lambda: classifier(applications.ResNet152, SMALL, 10),
    "DenseNet121": lambda: classifier(applications.DenseNet121, SMALL, 10),
    "VGG16": lambda: classifier(applications.VGG16, SMALL, 10),
    "SSD-VGG": ssd_vgg,
}


def main(folder: Path) -> None:
    for name, make in MODELS.items():
        keras.utils.set_random_seed(3)
        model = make()
        side = model.inputs[0].shape[1]
        images = photographs(side, side)
        answers = model(images / np.float32(255), training=False)
        outputs = answers if isinstance(answers, list) else [answers]
        named = {each: np.asarray(values) for each, values in zip(model.output_names, outputs, strict=True)}
        np.savez(folder / f"{name}.npz", allow_pickle=False, images=images, **named)
        path = folder / f"{name}.h5"
        model.save(path)
        with h5py.File(path, "r+") as file:
            file.attrs["model_card"] = json.dumps({"name": name, "input": {"scale": 1 / 255}})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
