"""A `.h5` or `.keras` file, opened by the Keras that saved it. Runs in the vetting child."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, SAVED_MODEL, EngineName
from models.errors import ModelFault, ModelRejected, one_line
from models.model_files import SUFFIXES_OF_KIND, FileKind
from models.vetting.candidate import (
    Predict,
    Shape,
    image_dtype,
    is_out_of_memory,
    require_free_batch,
    require_one_of_each,
)
from models.vetting.file_checks import check_hdf5, check_keras_archive
from models.vetting.onnx_candidate import onnx_answer

_EAGER_IMAGES = 2


class KerasCandidate:
    """A `.h5` or `.keras` file, loaded by Keras with `safe_mode`."""

    def __init__(self, path: Path, kind: FileKind, max_bytes: int) -> None:
        check = check_hdf5 if kind == "hdf5" else check_keras_archive
        self.card_text = check(path, max_bytes)
        self._model = _load_keras(path, kind)
        require_one_of_each(self._model.inputs, self._model.outputs)
        batch, *shape = self._model.inputs[0].shape
        require_free_batch(batch)
        self.input_shape: Shape = tuple(shape)
        self.input_dtype = image_dtype(str(self._model.inputs[0].dtype))
        self.engines: tuple[EngineName, ...] = _keras_engines()
        self._graph = _as_graph(self._model, self.input_dtype)

    def answer(self, batch: NDArray[Any]) -> NDArray[Any]:
        """See `Candidate.answer`; eager for a few images, which is the plainest truth there is of a model.

        An eager call keeps every layer's output until its end: gigabytes, for a batch of real size.
        """
        if len(batch) <= _EAGER_IMAGES:
            return np.asarray(self._model(batch, training=False))
        return np.asarray(self._graph(batch))

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        """See `Candidate.compile`."""
        import keras

        if engine == "onnx":
            spec = [keras.InputSpec(shape=self._model.inputs[0].shape, dtype=self._model.inputs[0].dtype)]
            serving = _for_inference(self._model)
            serving.export(str(folder / ONNX_FILE), format="onnx", verbose=False, input_signature=spec)
            return onnx_answer(folder / ONNX_FILE)
        import tensorflow as tf

        _for_inference(self._model).export(str(folder / SAVED_MODEL), format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
        return lambda batch: np.asarray(loaded.serve(tf.constant(batch)))


def _load_keras(path: Path, kind: FileKind) -> Any:
    import keras

    named = path.with_suffix(SUFFIXES_OF_KIND[kind][0])
    if named != path:
        path.rename(named)
    try:
        return keras.models.load_model(named, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the layer at fault raises
        raise _as_keras_rejection(error) from error


def _for_inference(model: Any) -> Any:
    """The model as it answers. In an export of the model itself, layers that augment images would go on doing so."""
    import keras

    image = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
    return keras.Model(image, model(image, training=False))


def _as_graph(model: Any, dtype: str) -> Any:
    import tensorflow as tf

    signature = tf.TensorSpec(model.inputs[0].shape, dtype)
    return tf.function(lambda batch: model(batch, training=False), [signature])


def _as_keras_rejection(error: Exception) -> ModelRejected:
    text = str(error).lower()
    remedy = "save it with model.save, as .keras or .h5"
    if is_out_of_memory(error):
        fault, remedy = ModelFault.TOO_LARGE, "make the model smaller"
    elif "safe_mode" in text or "lambda" in text or "unsafe" in text:
        fault, remedy = ModelFault.UNSAFE_CODE, "build it of Keras' own layers"
    elif "could not locate" in text or "unknown layer" in text or "not registered" in text or "custom" in text:
        fault, remedy = ModelFault.UNSUPPORTED_LAYER, "build it of Keras' own layers"
    else:
        fault = ModelFault.NOT_A_MODEL
    return ModelRejected(fault, f"Keras cannot load it: {one_line(error)}; {remedy}")


def _keras_engines() -> tuple[EngineName, ...]:
    """ONNX first, except where only TensorFlow sees the GPU."""
    import onnxruntime
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU") and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return ("tensorflow", "onnx")
    return ("onnx", "tensorflow")
