"""TensorFlow, on the SavedModel that vetting exported: a compiled graph, never Keras called eagerly."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import SAVED_MODEL, Artefact
from models.engines.engine import WHOLE_BATCH, Outputs, Predict, by_fixed_batches, images_of_a_run, in_runs

RUN_BYTES = 5_000_000
"""Input of one run on a CPU, eight photographs of 224x224: more gain little, and hold their layers' outputs at once."""


class TensorFlowEngine:
    """A model as a TensorFlow function, on a GPU where TensorFlow sees one."""

    def __init__(self, artefact: Artefact, threads: int) -> None:
        import tensorflow as tf

        with contextlib.suppress(RuntimeError):  # a process sets its threads once, with its first model
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        model = loaded(artefact.folder / SAVED_MODEL)
        self._answer = answering(model)
        on_gpu = bool(tf.config.list_physical_devices("GPU"))
        self.largest_run = WHOLE_BATCH if on_gpu else images_of_a_run(RUN_BYTES, artefact.manifest, _fixed_batch(model))

    def predict(self, batch: NDArray[Any]) -> Outputs:
        """See `Engine.predict`."""
        return in_runs(self._answer, batch, self.largest_run, threads=1)


def loaded(folder: Path) -> Any:
    """The SavedModel in a folder."""
    import tensorflow as tf

    return tf.saved_model.load(str(folder))


def answering(model: Any) -> Predict:
    """What a SavedModel makes of a batch of any size."""
    import tensorflow as tf

    def run(batch: NDArray[Any]) -> Outputs:
        return tuple(np.asarray(each) for each in tf.nest.flatten(model.serve(tf.constant(batch))))

    return by_fixed_batches(run, _fixed_batch(model))


def _fixed_batch(model: Any) -> int | None:
    """How many images a model takes at once, neither more nor fewer; None where any number will do."""
    (image,), _ = model.serve.concrete_functions[0].structured_input_signature
    fixed: int | None = image.shape[0]
    return fixed
