"""From bounded RGB pixels to the batch that a model takes: the last resize and the scaling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Manifest
from models.compute_threads import compute_threads
from models.images.decoding import Raster
from models.images.fitting import fit_image

_WORTH_THREADS = 1 << 20
"""Samples in a batch; fewer are fitted sooner than they are handed to threads."""


def model_input(images: Sequence[Raster], manifest: Manifest) -> NDArray[Any]:
    """The images as one batch.

    Args:
        images: their sizes may differ.
        manifest: its card says size, channels, their order, layout, fit and scaling.

    Returns:
        Shape (n, *input_shape), dtype `input_dtype`; floats are `(pixel * scale - mean) / std`.
    """
    spec = manifest.card.input
    batch = np.empty((len(images), spec.height, spec.width, spec.channels), manifest.input_dtype)

    def fill(row: int) -> None:
        pixels = fit_image(images[row], spec.height, spec.width, spec.fit, spec.channels)
        batch[row] = scale(pixels[..., ::-1] if spec.color == "BGR" else pixels, manifest)

    pixels = sum(image.pixels.size for image in images)
    # In threads, so that no core is idle between two calls of the model.
    list((compute_threads().map if pixels > _WORTH_THREADS else map)(fill, range(len(images))))
    if spec.layout == "NCHW":
        batch = batch.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(batch).reshape(len(images), *manifest.input_shape)


def scale(pixels: NDArray[np.uint8], manifest: Manifest) -> NDArray[Any]:
    """Pixels 0..255, channels last and in the model's order, as the numbers that it takes."""
    spec = manifest.card.input
    dtype = np.dtype(manifest.input_dtype)
    if not np.issubdtype(dtype, np.floating):
        return pixels.astype(dtype)
    # Dividing by 255 and multiplying by 1/255 differ in the last bit; users compare with the division.
    inverse = round(1 / spec.scale) if spec.scale else 0
    scaled = np.empty(pixels.shape, np.float32)
    if inverse and 1 / inverse == spec.scale:
        np.divide(pixels, np.float32(inverse), out=scaled)
    else:
        np.multiply(pixels, np.float32(spec.scale), out=scaled)
    if any(spec.mean):
        scaled -= np.asarray(spec.mean, np.float32)
    if any(value != 1.0 for value in spec.std):
        scaled /= np.asarray(spec.std, np.float32)
    return scaled.astype(dtype, copy=False)
