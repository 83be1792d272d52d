"""Saves models of every task with Keras 2 and 3, and what each answers: `task_models FOLDER`.

Beside `NAME_VERSION.h5` lies `NAME_VERSION.npz`: `images`, pixels 0..255, and each output by its position, `0`, `1`, …
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tf_keras

from tests.models.tasks import ssd

SIDE = 32
PLANTED = [
    ssd.Planted(0, 30, 5, 3, (2.0, -3.0, 1.0, -2.0), 7),
    ssd.Planted(2, 8, 2, 0, (1.0, 1.0, 1.0, 1.0), 1),
    ssd.Planted(4, 1, 2, 1, (1.0, 2.0, -3.0, -1.0), 12),
]
"""What the SSD finds, each on a feature map of its own that sees one colour: red, green or blue."""
FINAL_BOXES = [[0.1, 0.2, 0.4, 0.6], [0.5, 0.1, 0.9, 0.3], [0.0, 0.0, 1.0, 1.0]]
FINAL_SCORES = [0.9, 0.6, 0.2]
FINAL_CLASSES = [2.0, 0.0, 1.0]


def image_of(library: Any, side: int = SIDE) -> Any:
    return library.layers.Input((side, side, 3))


def features(library: Any, image: Any) -> Any:
    return library.layers.Conv2D(6, 3, padding="same", activation="relu")(image)


def binary(library: Any) -> Any:
    image = image_of(library)
    pooled = library.layers.GlobalAveragePooling2D()(features(library, image))
    return library.Model(image, library.layers.Dense(1, activation="sigmoid")(pooled))


def multilabel(library: Any) -> Any:
    image = image_of(library)
    pooled = library.layers.GlobalAveragePooling2D()(features(library, image))
    return library.Model(image, library.layers.Dense(5, activation="sigmoid", bias_initializer="ones")(pooled))


def segmentation(library: Any) -> Any:
    """Four classes, at half the size of the image; what it answers are logits."""
    image = image_of(library)
    half = library.layers.MaxPooling2D()(features(library, image))
    return library.Model(image, library.layers.Conv2D(4, 1)(half))


def foreground(library: Any) -> Any:
    """One probability for each pixel."""
    image = image_of(library)
    return library.Model(image, library.layers.Conv2D(1, 1, activation="sigmoid")(features(library, image)))


def two_heads(library: Any) -> Any:
    image = image_of(library)
    pooled = library.layers.GlobalAveragePooling2D()(features(library, image))
    digit = library.layers.Dense(4, activation="softmax", name="digit")(pooled)
    return library.Model(image, [digit, library.layers.Dense(1, name="weight")(pooled)])


def final_boxes(library: Any) -> Any:
    """Boxes, scores and classes that hang on the image by a nothing."""
    layers = library.layers
    image = image_of(library)
    pooled = layers.GlobalAveragePooling2D()(image)

    def constant(values: Any, name: str) -> Any:
        values = np.asarray(values, np.float32)
        dense = layers.Dense(
            values.size, kernel_initializer="zeros", bias_initializer=library.initializers.Constant(values.ravel())
        )
        return layers.Reshape(values.shape, name=name)(dense(pooled))

    outputs = constant(FINAL_BOXES, "boxes"), constant(FINAL_SCORES, "scores"), constant(FINAL_CLASSES, "classes")
    return library.Model(image, list(outputs))


def ssd_vgg(library: Any) -> Any:
    """The twelve heads of an SSD-VGG on the image itself: a cell sees the pixel in its upper left corner."""
    layers = library.layers
    image = image_of(library, ssd.SIDE)
    outputs = []
    for number, (cells, anchors, step) in enumerate(zip(ssd.CELLS, ssd.ANCHORS, ssd.STEPS, strict=True)):
        logits, boxes = (
            layers.Conv2D(anchors * ssd.CLASSES, 1, strides=step),
            layers.Conv2D(anchors * 4, 1, strides=step),
        )
        scores = layers.Softmax()(layers.Reshape((cells, cells, anchors, ssd.CLASSES))(logits(image)))
        outputs += [scores, layers.Reshape((cells, cells, anchors, 4))(boxes(image))]
        sees, always = np.zeros((1, 1, 3, anchors, ssd.CLASSES)), np.zeros((anchors, ssd.CLASSES))
        always[:, 0] = 8
        numbers = np.zeros((anchors, 4))
        for colour, each in enumerate(PLANTED):
            if each.feature_map == number:
                sees[..., colour, each.anchor, each.label] = 15.0
                numbers[each.anchor] = each.numbers
        logits.set_weights([sees.reshape(1, 1, 3, -1), always.ravel()])
        boxes.set_weights([np.zeros((1, 1, 3, anchors * 4)), numbers.ravel()])
    return library.Model(image, outputs)


def planted() -> np.ndarray:
    """Black images with one pixel that a cell of `PLANTED` sees, in its colour: one for each, and one for all."""
    images = np.zeros((len(PLANTED) + 1, ssd.SIDE, ssd.SIDE, 3), np.uint8)
    for number, each in enumerate(PLANTED):
        step = ssd.STEPS[each.feature_map]
        images[[number, -1], each.row * step, each.column * step, number] = 255
    return images


def noise() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)


class Made(NamedTuple):
    """How a model and its images are made, and with which versions of Keras."""

    model: Callable[[Any], Any]
    images: Callable[[], np.ndarray] = noise
    versions: tuple[int, ...] = (3,)


MODELS = {
    "binary": Made(binary, versions=(2, 3)),
    "multilabel": Made(multilabel),
    "segmentation": Made(segmentation, versions=(2, 3)),
    "foreground": Made(foreground),
    "two_heads": Made(two_heads),
    "final_boxes": Made(final_boxes),
    "ssd_vgg": Made(ssd_vgg, planted, versions=(2, 3)),
}


def main(folder: Path) -> None:
    for version, library in ((2, tf_keras), (3, keras)):
        library.utils.set_random_seed(4)
        for name, made in MODELS.items():
            if version in made.versions:
                model, images = made.model(library), made.images()
                answers = model(images.astype(np.float32) / 255, training=False)
                each = answers if isinstance(answers, list | tuple) else [answers]
                model.save(folder / f"{name}_{version}.h5")
                outputs = {str(position): np.asarray(output) for position, output in enumerate(each)}
                np.savez(folder / f"{name}_{version}.npz", allow_pickle=False, images=images, **outputs)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
