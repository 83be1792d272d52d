"""A `.h5` or `.keras` file, opened by the Keras that saved it. Runs in the vetting child."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, OPENVINO_FILE, SAVED_MODEL, EngineName
from models.engines.engine import Outputs, Predict, by_fixed_batches
from models.engines.tensorflow_engine import answering as tensorflow_answering
from models.engines.tensorflow_engine import loaded
from models.errors import ModelFault, ModelRejected, VettingTooCostly, one_line
from models.memory import is_out_of_memory
from models.model_files import SUFFIXES_OF_KIND, FileKind
from models.tasks.training import Loss
from models.vetting import keras2, keras3, keras_models
from models.vetting.candidate import Shape, image_dtype, require_one_input
from models.vetting.endings import endings_of_function
from models.vetting.file_checks import check_hdf5, check_keras_archive, configuration_of
from models.vetting.keras_configuration import objects_in
from models.vetting.onnx_candidate import onnx_answer
from models.vetting.onnx_export import write_onnx
from models.vetting.openvino_form import openvino_answer, write_function
from models.vetting.origins import origin_of
from models.vetting.own_scaling import Beginning, beginning_of_function
from models.vetting.trained_loss import trained_loss

_EAGER_NUMBERS = 310_000
"""Input of a call that keeps every layer's output until its end: two photographs of 224x224, one of 299x299."""

_DEEPEST = 10_000
"""Layers one after the other. Keras follows them by recursion, and reads no ResNetRS350 back as Python is set."""

_TINY_BYTES = 2 << 20
"""Of a file that is exported to ONNX in a second, and whose model runs for so short that calling it counts."""


class KerasCandidate:
    """A `.h5` or `.keras` file, loaded by the Keras that saved it."""

    own: EngineName = "tensorflow"
    is_quantized = False
    labels: tuple[str, ...] = ()

    def __init__(self, path: Path, kind: FileKind, max_bytes: int) -> None:
        check = check_hdf5 if kind == "hdf5" else check_keras_archive
        self.card_text = check(path, max_bytes)
        self.costly: tuple[EngineName, ...] = () if path.stat().st_size <= _TINY_BYTES else ("onnx",)
        configuration, version = configuration_of(path, kind)
        self._loss = trained_loss(path, kind, configuration)
        self._keras = _its_keras(version, configuration)
        self._model = _load(self._keras, path, kind, configuration)
        require_one_input(self._model.inputs)
        self._fixed_batch, *shape = self._model.inputs[0].shape
        self.input_shape: Shape = tuple(shape)
        dtype = self._model.inputs[0].dtype
        self.input_dtype = image_dtype(getattr(dtype, "name", dtype))
        self.input_name = keras_models.input_name(self._model)
        self.outputs = keras_models.output_names(self._model)
        self.on_gpu, self.engines = _keras_engines()
        self.is_half = keras_models.computes_in_half(self._model)
        self._function = _as_function(self._model, self.input_dtype)

    def answer(self, batch: NDArray[Any]) -> Outputs:
        """See `Candidate.answer`; eager for a few images, which is the plainest truth there is of a model."""
        return by_fixed_batches(self._plain, self._fixed_batch)(batch)

    def run(self, batch: NDArray[Any]) -> Outputs:
        """See `Candidate.run`."""
        return by_fixed_batches(self._traced, self._fixed_batch)(batch)

    def beginning(self) -> Beginning | None:
        """See `Candidate.beginning`."""
        return beginning_of_function(self._function.get_concrete_function())

    def endings(self) -> tuple[str | None, ...]:
        """See `Candidate.endings`."""
        return endings_of_function(self._function.get_concrete_function())

    def origin(self) -> str | None:
        """See `Candidate.origin`."""
        return origin_of(self._model)

    def loss(self) -> Loss | None:
        """See `Candidate.loss`."""
        return self._loss

    def write_onnx(self, path: Path) -> None:
        """See `Candidate.write_onnx`."""
        write_onnx(self._function, self.outputs, path)

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        """See `Candidate.compile`."""
        match engine:
            case "openvino":
                write_function(self._function.get_concrete_function(), folder / OPENVINO_FILE)
                return openvino_answer(folder / OPENVINO_FILE)
            case "onnx":
                self.write_onnx(folder / ONNX_FILE)
                return onnx_answer(folder / ONNX_FILE)
            case "tensorflow":
                self._keras.write_saved_model(self._model, folder / SAVED_MODEL)
                return tensorflow_answering(loaded(folder / SAVED_MODEL))

    def _plain(self, batch: NDArray[Any]) -> Outputs:
        if batch.size > _EAGER_NUMBERS:
            return self._traced(batch)
        return tuple(np.asarray(each) for each in keras_models.flat(self._model(batch, training=False)))

    def _traced(self, batch: NDArray[Any]) -> Outputs:
        return tuple(np.asarray(each) for each in self._function(batch))


def _its_keras(version: str | None, configuration: Any) -> ModuleType:
    if version is not None and version.startswith("2."):
        return keras2
    if any(str(each.get("module")).startswith("tf_keras") for each in objects_in(configuration)):
        raise ModelRejected(
            ModelFault.UNSUPPORTED_LAYER, "has layers of Keras 2 among those of Keras 3; save it with one of them"
        )
    return keras3


def _load(library: ModuleType, path: Path, kind: FileKind, configuration: Any) -> Any:
    named = path.with_suffix(SUFFIXES_OF_KIND[kind][0])
    if named != path:
        path.rename(named)
    sys.setrecursionlimit(_DEEPEST)
    try:
        return library.load(named, configuration)
    except ModelRejected:
        raise
    except Exception as error:  # Keras raises whatever the layer at fault raises
        if is_out_of_memory(error):
            raise VettingTooCostly("loading it took more than it may") from error
        raise _as_keras_rejection(error) from error


def _as_function(model: Any, dtype: str) -> Any:
    import tensorflow as tf

    signature = tf.TensorSpec(model.inputs[0].shape, dtype)
    return tf.function(lambda batch: keras_models.flat(model(batch, training=False)), [signature], autograph=False)


def _as_keras_rejection(error: Exception) -> ModelRejected:
    text = str(error).lower()
    remedy = "save it with model.save, as .keras or .h5"
    if "safe_mode" in text or "lambda" in text or "unsafe" in text:
        fault, remedy = ModelFault.UNSAFE_CODE, "build it of Keras' own layers"
    elif "could not locate" in text or "unknown layer" in text or "not registered" in text or "custom" in text:
        fault, remedy = ModelFault.UNSUPPORTED_LAYER, "build it of Keras' own layers"
    else:
        fault = ModelFault.NOT_A_MODEL
    return ModelRejected(fault, f"Keras cannot load it: {one_line(error)}; {remedy}")


def _keras_engines() -> tuple[bool, tuple[EngineName, ...]]:
    """Whether TensorFlow sees a GPU, and what can execute a model, best first."""
    import onnxruntime
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return False, ("openvino", "tensorflow", "onnx")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        return True, ("onnx", "tensorflow")
    return True, ("tensorflow", "onnx")
