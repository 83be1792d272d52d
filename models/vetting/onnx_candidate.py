"""An `.onnx` file, opened by ONNX Runtime. Runs in the vetting child."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from models.artefacts import ONNX_FILE, OPENVINO_FILE, EngineName
from models.engines.engine import Outputs, Predict
from models.engines.onnx_engine import answering, open_session
from models.errors import ModelFault, ModelRejected, VettingTooCostly
from models.memory import is_out_of_memory
from models.vetting.candidate import image_dtype, require_one_input
from models.vetting.eight_bits import is_quantized
from models.vetting.endings import endings_of_onnx
from models.vetting.file_checks import CARD, COPY_AGAIN
from models.vetting.onnx_channels import image_shape
from models.vetting.onnx_classifiers import class_labels, with_numbers_alone
from models.vetting.onnx_names import attributes_of, graphs_of, require_known_operators
from models.vetting.onnx_refusals import ONE_FILE, as_rejection, require_tensors
from models.vetting.openvino_form import openvino_answer, write_onnx_model
from models.vetting.own_scaling import Beginning, beginning_of_onnx

_HALF = (10, 16)
"""`onnx.TensorProto.FLOAT16` and `BFLOAT16`."""


class OnnxCandidate:
    """An `.onnx` file."""

    own: EngineName = "onnx"
    costly: tuple[EngineName, ...] = ()

    def __init__(self, path: Path) -> None:
        model = _checked(path)
        self.labels = class_labels(model)
        self._path = _plain(model, path)
        session = _opened(self._path)
        require_one_input(session.get_inputs())
        require_tensors(session.get_outputs())
        first = session.get_inputs()[0]
        self.card_text = session.get_modelmeta().custom_metadata_map.get(CARD)
        self.input_shape = image_shape(first.shape, model)
        self.input_dtype = image_dtype(_onnx_dtype(first.type))
        self.input_name = first.name
        self.outputs = tuple(output.name for output in session.get_outputs())
        self.on_gpu = session.get_providers()[0] != "CPUExecutionProvider"
        self.engines: tuple[EngineName, ...] = ("onnx",) if self.on_gpu else ("openvino", "onnx")
        self._answer = answering(session)
        self.is_half = any(weights.data_type in _HALF for weights in model.graph.initializer)
        self.is_quantized = is_quantized(model)
        self._beginning = beginning_of_onnx(model, open_session)
        self._endings = endings_of_onnx(model)

    def answer(self, batch: NDArray[Any]) -> Outputs:
        """See `Candidate.answer`."""
        return self._answer(batch)

    def run(self, batch: NDArray[Any]) -> Outputs:
        """See `Candidate.run`."""
        return self._answer(batch)

    def beginning(self) -> Beginning | None:
        """See `Candidate.beginning`."""
        return self._beginning

    def endings(self) -> tuple[str | None, ...]:
        """See `Candidate.endings`."""
        return self._endings

    def origin(self) -> None:
        """See `Candidate.origin`; exporters leave no names of layers."""

    def loss(self) -> None:
        """See `Candidate.loss`; exporters leave nothing of the training."""

    def write_onnx(self, path: Path) -> None:
        """See `Candidate.write_onnx`."""
        shutil.copyfile(self._path, path)

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        """See `Candidate.compile`."""
        if engine == "openvino":
            write_onnx_model(self._path, self.outputs, folder / OPENVINO_FILE)
            return openvino_answer(folder / OPENVINO_FILE)
        (folder / ONNX_FILE).hardlink_to(self._path)
        return self._answer


def _plain(model: Any, path: Path) -> Path:
    """A file of the model with outputs of numbers alone: its own, or another beside it."""
    if not with_numbers_alone(model):
        return path
    plain = path.with_name("numbers_alone.onnx")
    plain.write_bytes(model.SerializeToString())
    return plain


def _opened(path: Path) -> Any:
    try:
        return open_session(str(path))
    except Exception as error:  # ONNX Runtime raises a class of its own for each status code
        if is_out_of_memory(error):
            raise VettingTooCostly("loading it took more than it may") from error
        raise as_rejection(error) from error


def _checked(path: Path) -> Any:
    """The model in a file, as `onnx` reads it, if it is whole and one file.

    Raises:
        ModelRejected: `truncated`, `unsafe_code` or `unsupported_layer`.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(path, load_external_data=False)
    except DecodeError as error:
        raise ModelRejected(ModelFault.TRUNCATED, f"the ONNX content is incomplete or damaged; {COPY_AGAIN}") from error
    if not model.graph.output or not model.opset_import:  # protobuf takes a file cut between two fields for whole
        raise ModelRejected(ModelFault.TRUNCATED, f"the ONNX content ends before its graph does; {COPY_AGAIN}")
    require_known_operators(model)
    for graph in graphs_of(model):
        tensors = list(getattr(graph, "initializer", ()))
        sparse = list(getattr(graph, "sparse_initializer", ()))
        for attribute in attributes_of(graph):
            tensors += [attribute.t, *attribute.tensors]
            sparse += [attribute.sparse_tensor, *attribute.sparse_tensors]
        for each in sparse:
            tensors += [each.values, each.indices]
        if any(tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
            raise ModelRejected(ModelFault.UNSAFE_CODE, ONE_FILE)
    return model


def _onnx_dtype(name: str) -> str:
    """NumPy's name for ONNX Runtime's `tensor(float)` and the like."""
    inner = name.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)


def onnx_answer(path: Path) -> Predict:
    """What a file of ONNX answers."""
    return answering(open_session(str(path)))
