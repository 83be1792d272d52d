"""TensorFlow, on the SavedModel that vetting exported: a compiled graph, never Keras called eagerly."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import SAVED_MODEL, Artefact
from models.engines.engine import WHOLE_BATCH


class TensorFlowEngine:
    """A model as a TensorFlow function, on a GPU where TensorFlow sees one."""

    largest_run = WHOLE_BATCH

    def __init__(self, artefact: Artefact, threads: int) -> None:
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):  # a process sets its threads once, with its first model
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        self._model = tf.saved_model.load(str(artefact.folder / SAVED_MODEL))
        self._serve = self._model.serve
        self._constant = tf.constant

    def predict(self, batch: NDArray[Any]) -> NDArray[Any]:
        """See `Engine.predict`."""
        return np.asarray(self._serve(self._constant(batch)))
