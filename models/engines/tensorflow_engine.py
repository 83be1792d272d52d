"""TensorFlow, on the SavedModel that vetting exported: a compiled graph, never Keras called eagerly."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import SAVED_MODEL, Artefact
from models.engines.engine import WHOLE_BATCH, Outputs, Predict, images_within, in_runs

RUN_BYTES = 5_000_000
"""Input of one run on a CPU, eight photographs of 224x224: more gain little, and hold their layers' outputs at once."""


class TensorFlowEngine:
    """A model as a TensorFlow function, on a GPU where TensorFlow sees one."""

    def __init__(self, artefact: Artefact, threads: int) -> None:
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):  # a process sets its threads once, with its first model
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        self._answer = answering(artefact.folder / SAVED_MODEL)
        manifest = artefact.manifest
        on_gpu = bool(tf.config.list_physical_devices("GPU"))
        self.largest_run = (
            WHOLE_BATCH if on_gpu else images_within(RUN_BYTES, manifest.input_shape, manifest.input_dtype)
        )

    def predict(self, batch: NDArray[Any]) -> Outputs:
        """See `Engine.predict`."""
        return in_runs(self._answer, batch, self.largest_run, threads=1)


def answering(folder: Path) -> Predict:
    """What the model in a folder makes of a batch."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    return lambda batch: tuple(np.asarray(each) for each in tf.nest.flatten(model.serve(tf.constant(batch))))
