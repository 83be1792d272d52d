"""Architectures with random weights whose answers still depend on the image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SPREAD = 3.0
"""Standard deviation of the class scores before the softmax: those of random weights are nearly all the same."""


def photographs(height: int, width: int) -> NDArray[np.uint8]:
    """Two real photographs at a size, shape (2, height, width, 3)."""
    from sklearn.datasets import load_sample_images

    images = load_sample_images().images
    return np.stack([np.asarray(Image.fromarray(image).resize((width, height))) for image in images])


def make_telling(library: Any, model: Any, images: NDArray[Any]) -> None:
    """Makes the answers of random weights differ from class to class and from image to image.

    With batch statistics as they begin (mean 0, variance 1) activations fade from layer to layer until every image gets
    the same scores. So each normalisation takes the statistics of `images`, and the last layer tells their features
    apart.

    Args:
        library: `keras` or `tf_keras`, of which the model is.
        model: a classifier that ends in a softmax.
        images: a batch, as the model takes them.
    """
    norms = [layer for layer in model.layers if isinstance(layer, library.layers.BatchNormalization)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(images, training=True)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    last = next(layer for layer in reversed(model.layers) if layer.get_weights())
    kernel, *rest = last.get_weights()
    scores = np.log(np.maximum(np.asarray(model(images, training=False)), 1e-30))
    spread = float((scores - scores.mean(axis=1, keepdims=True)).std())
    if spread > 0:
        last.set_weights([kernel * min(_SPREAD / spread, 1e4), *rest])
