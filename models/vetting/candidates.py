"""A candidate that is open: what it takes, what it answers, and how it is compiled. Runs in the vetting child."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, SAVED_MODEL, EngineName
from models.engines.onnx_engine import open_session
from models.errors import ModelFault, ModelRejected, one_line
from models.model_files import SUFFIXES_OF_KIND, FileKind
from models.vetting.file_checks import CARD, COPY_AGAIN, check_hdf5, check_keras_archive

Shape = tuple[int | None, ...]
_EAGER_IMAGES = 2
_ONE_IN = "a model must take one batch of images"
_ONE_OUT = "a model must give one output"
_INPUT_DTYPES = ("float16", "float32", "float64", "uint8", "uint16", "int16", "int32", "int64")
"""Those that hold every pixel value 0..255."""
Predict = Callable[[NDArray[Any]], NDArray[Any]]
"""From a batch, as the model takes it, to its outputs, shape (n, …)."""


class Candidate(Protocol):
    """A model file, open in the vetting child.

    Attributes:
        card_text: its card as written; None without one.
        input_shape: of one image, without the batch; None where any size will do.
        input_dtype: NumPy's name.
        engines: what can execute it, best first.
    """

    card_text: str | bytes | None
    input_shape: Shape
    input_dtype: str
    engines: tuple[EngineName, ...]

    def answer(self, batch: NDArray[Any]) -> NDArray[Any]:
        """The model's output before compiling, shape (n, …)."""

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        """Writes the compiled form into `folder` and returns it, loaded.

        Raises:
            Exception: whatever the exporter raises when the model cannot be compiled.
        """


def open_candidate(path: Path, kind: FileKind, max_bytes: int) -> Candidate:
    """Opens a model file.

    Raises:
        ModelRejected: with the reason.
    """
    return OnnxCandidate(path) if kind == "onnx" else KerasCandidate(path, kind, max_bytes)


class KerasCandidate:
    """A `.h5` or `.keras` file, loaded by Keras with `safe_mode`."""

    def __init__(self, path: Path, kind: FileKind, max_bytes: int) -> None:
        check = check_hdf5 if kind == "hdf5" else check_keras_archive
        self.card_text = check(path, max_bytes)
        self._model = _load_keras(path, kind)
        if len(self._model.inputs) != 1:
            raise ModelRejected(ModelFault.WRONG_INPUT, f"takes {len(self._model.inputs)} inputs; {_ONE_IN}")
        if len(self._model.outputs) != 1:
            raise ModelRejected(ModelFault.WRONG_OUTPUT, f"gives {len(self._model.outputs)} outputs; {_ONE_OUT}")
        batch, *shape = self._model.inputs[0].shape
        _require_free_batch(batch)
        self.input_shape: Shape = tuple(shape)
        self.input_dtype = _image_dtype(str(self._model.inputs[0].dtype))
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
            return _onnx_answer(folder / ONNX_FILE)
        import tensorflow as tf

        _for_inference(self._model).export(str(folder / SAVED_MODEL), format="tf_saved_model", verbose=False)
        loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
        return lambda batch: np.asarray(loaded.serve(tf.constant(batch)))


class OnnxCandidate:
    """An `.onnx` file, served as it is."""

    engines: tuple[EngineName, ...] = ("onnx",)

    def __init__(self, path: Path) -> None:
        self._path = path
        _check_onnx(path)
        try:
            session = open_session(str(path))
        except Exception as error:  # ONNX Runtime raises a class of its own for each status code
            raise _as_onnx_rejection(error) from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1:
            raise ModelRejected(ModelFault.WRONG_INPUT, f"takes {len(inputs)} inputs; {_ONE_IN}")
        if len(outputs) != 1:
            raise ModelRejected(ModelFault.WRONG_OUTPUT, f"gives {len(outputs)} outputs; {_ONE_OUT}")
        batch, *shape = inputs[0].shape or [1]
        _require_free_batch(batch if isinstance(batch, int) else None)
        self.card_text = session.get_modelmeta().custom_metadata_map.get(CARD)
        self.input_shape: Shape = tuple(size if isinstance(size, int) else None for size in shape)
        self.input_dtype = _image_dtype(_onnx_dtype(inputs[0].type))
        self.answer = _session_answer(session)

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        """See `Candidate.compile`."""
        shutil.copyfile(self._path, folder / ONNX_FILE)
        return _onnx_answer(folder / ONNX_FILE)


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


def is_out_of_memory(error: Exception) -> bool:
    """Whether a framework's error means that there was not enough memory; each says so in words of its own."""
    words = ("OOM", "exhausted", "ResourceExhausted", "bad_alloc", "allocate memory", "Unable to allocate")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _keras_engines() -> tuple[EngineName, ...]:
    """ONNX first, except where only TensorFlow sees the GPU."""
    import onnxruntime
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU") and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return ("tensorflow", "onnx")
    return ("onnx", "tensorflow")


def _require_free_batch(batch: int | None) -> None:
    if batch is not None:
        raise ModelRejected(ModelFault.WRONG_INPUT, f"its batch size is fixed to {batch}; leave it open (None)")


def _check_onnx(path: Path) -> None:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise ModelRejected(ModelFault.TRUNCATED, f"the ONNX content is incomplete or damaged; {COPY_AGAIN}") from error
    if not model.graph.output or not model.opset_import:  # protobuf takes a file cut between two fields for whole
        raise ModelRejected(ModelFault.TRUNCATED, f"the ONNX content ends before its graph does; {COPY_AGAIN}")
    graphs: list[Any] = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        tensors = list(getattr(graph, "initializer", ()))
        sparse = list(getattr(graph, "sparse_initializer", ()))
        for node in graph.node:
            for attribute in node.attribute:
                tensors += [attribute.t, *attribute.tensors]
                sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
                graphs += [attribute.g, *attribute.graphs] if attribute.type in (5, 10) else []
        for each in sparse:
            tensors += [each.values, each.indices]
        if any(tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
            raise ModelRejected(ModelFault.UNSAFE_CODE, "takes its weights from another file; a model must be one file")


def _as_onnx_rejection(error: Exception) -> ModelRejected:
    text = one_line(error)
    if is_out_of_memory(error):
        return ModelRejected(ModelFault.TOO_LARGE, f"ONNX Runtime cannot hold it: {text}; make the model smaller")
    if "not a registered" in text or "No Op registered" in text or "opset" in text:
        return ModelRejected(
            ModelFault.UNSUPPORTED_LAYER, f"ONNX Runtime cannot run it: {text}; export it with standard operators"
        )
    return ModelRejected(ModelFault.NOT_A_MODEL, f"ONNX Runtime cannot load it: {text}; export it again")


def _onnx_dtype(name: str) -> str:
    """NumPy's name for ONNX Runtime's `tensor(float)` and the like."""
    inner = name.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)


def _image_dtype(dtype: str) -> str:
    if dtype not in _INPUT_DTYPES:
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"takes {one_line(dtype, 40)}, which no image can be; let it take float32"
        )
    return dtype


def _onnx_answer(path: Path) -> Predict:
    return _session_answer(open_session(str(path)))


def _session_answer(session: Any) -> Predict:
    name = session.get_inputs()[0].name
    return lambda batch: np.asarray(session.run(None, {name: batch})[0])
