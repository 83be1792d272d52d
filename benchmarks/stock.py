"""The documented way: Beam's TensorFlow image example, with Beam's own TensorFlow handler."""

from __future__ import annotations

import importlib.util
import io
import logging
import sys
import types
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference
from PIL import Image

from benchmarks.bounded_run import classify
from benchmarks.ways import Setup, Timing

if importlib.util.find_spec("tensorflow_hub") is None:
    # Beam's handler asks it for one thing: the local path of a model, which of a local path is itself.
    _hub = types.ModuleType("tensorflow_hub")
    _hub.resolve = lambda handle: handle  # type: ignore[attr-defined]
    sys.modules["tensorflow_hub"] = _hub

from apache_beam.ml.inference.tensorflow_inference import TFModelHandlerTensor


def read_image(path: str, size: tuple[int, int], grey: bool) -> tf.Tensor:
    """As `read_image` of apache_beam/examples/inference/tensorflow_imagenet_segmentation.py reads and scales it.

    Read through Beam's FileSystems as the PyTorch example does, where that one downloads.

    Returns:
        Shape (height, width, 3), or (height, width, 1) where `grey`; float32, 0 to 1.
    """
    with FileSystems().open(path, "r") as file:
        image = Image.open(io.BytesIO(file.read())).convert("L" if grey else "RGB")
    pixels = np.array(image.resize((size[1], size[0]))) / 255.0
    return tf.cast(tf.convert_to_tensor(pixels[..., None] if grey else pixels), dtype=tf.float32)


def model_handler(model: str, batch: int, *, full_at_once: bool, wait_seconds: float | None = None) -> Any:
    """Beam's handler, with names that stay on the answers.

    Args:
        model: an `.h5` file.
        batch: most images in one call of the model.
        full_at_once: whether batches begin at that size; left to itself Beam tries 1, 2, 4… first, anew in each bundle
            of the DirectRunner.
        wait_seconds: how long a batch waits for images of other bundles.
    """
    handler = TFModelHandlerTensor(
        model,
        load_model_args={"compile": False},
        min_batch_size=batch if full_at_once else None,
        max_batch_size=batch,
        max_batch_duration_secs=wait_seconds,
    )
    return KeyedModelHandler(handler)


class StockWay:
    """`read_image` and `RunInference` with Beam's handler, between `Create` and a list."""

    def __init__(self, setup: Setup) -> None:
        logging.getLogger().setLevel(logging.WARNING)
        self._setup = setup
        shape = tf.keras.models.load_model(setup.model, compile=False).input_shape
        self._size, self._grey = (int(shape[1]), int(shape[2])), shape[3] == 1

    def classify(self, paths: list[str]) -> Timing:
        """See `Way.classify`."""
        return classify(paths, self._classes)

    def _classes(self, paths: beam.PCollection) -> beam.PCollection:
        return (
            paths
            | "ReadImage" >> beam.Map(_named_image, self._size, self._grey)
            | RunInference(model_handler(self._setup.model, self._setup.batch, full_at_once=True))
            | "PostProcess" >> beam.Map(_class)
        )


def _named_image(path: str, size: tuple[int, int], grey: bool) -> tuple[str, tf.Tensor]:
    return path, read_image(path, size, grey)


def _class(answer: tuple[str, PredictionResult]) -> int:
    return int(np.argmax(answer[1].inference))
