"""Saves one architecture, and what its own framework answers: `saving LIBRARY ARCHITECTURE FILE`.

Beside `NAME.h5` lies `NAME.npz`: `images`, two photographs as pixels 0..255; `answers`, which the model gave to them in
its own framework, as pixels 0..1 and as pixels 0..255; `seconds` of an image there, alone and in a batch.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.random_weights import make_telling, photographs

LIBRARIES = {"2": "tf_keras", "3": "keras"}
LARGEST_BATCH = 32
_BATCH_BYTES = 20_000_000
ANY_SIZE = 224
_RUNS = 4
_ENOUGH_SECONDS = 4.0


def architectures(version: str) -> list[str]:
    """The names of all architectures that a version of Keras, `2` or `3`, has."""
    applications = importlib.import_module(LIBRARIES[version]).applications
    return [name for name, value in vars(applications).items() if inspect.isfunction(value)]


def seconds_of_an_image(model: Any, image: NDArray[Any]) -> list[float]:
    """In the framework's own compiled graph, on all cores: alone, and in a batch of `together`."""
    import tensorflow as tf

    run = tf.function(lambda batch: model(batch, training=False))
    found = []
    for size in (1, together(image.nbytes)):
        batch = tf.constant(np.repeat(image[None], size, axis=0))
        found.append(at_best(lambda batch=batch: run(batch)) / size)  # type: ignore[misc]
    return found


def at_best(run: Callable[[], Any]) -> float:
    """The seconds that a run takes, at best of four; of fewer where they take long, the first of which warms up."""
    taken: list[float] = []
    while len(taken) < _RUNS and (len(taken) < 2 or sum(taken) < _ENOUGH_SECONDS):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def together(image_bytes: int) -> int:
    """How many images of a size are measured in a batch: 32 of 224x224, fewer of larger ones."""
    return max(2, min(LARGEST_BATCH, _BATCH_BYTES // image_bytes))


def main(version: str, architecture: str, path: Path) -> None:
    """Saves it."""
    library = importlib.import_module(LIBRARIES[version])
    library.utils.set_random_seed(1)
    model = getattr(library.applications, architecture)(weights=None)
    height, width = model.inputs[0].shape[1:3]
    images = photographs(height or ANY_SIZE, width or ANY_SIZE)
    pixels = images.astype(np.float32)
    scales_itself = any(type(layer).__name__ in ("Rescaling", "Normalization") for layer in model.layers)
    make_telling(library, model, pixels if scales_itself else pixels / 255)
    model.save(path)
    answers = [np.asarray(model(batch, training=False)) for batch in (pixels / 255, pixels)]
    seconds = seconds_of_an_image(model, pixels[0])
    np.savez(path.with_suffix(".npz"), allow_pickle=False, images=images, answers=answers, seconds=seconds)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
