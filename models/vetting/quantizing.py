"""A model in 8 bits, by ONNX Runtime's quantizer, with the scales that real images ask for. Runs in the vetting child.

What the file is made of was chosen by what both engines make of it (docs/int8.md):

- Weights have 7 bits, and a scale for each channel. Without VNNI, x86 adds two products of 8-bit numbers in 16 bits,
  which are too few: engines then answer otherwise than the model, and each in its own way.
- What the last layer answers stays as it is, and so does a softmax: 256 steps are too few for scores.
- Activations are unsigned and not symmetric, which both engines compute fastest.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import ONNX_FILE
from models.errors import ModelFault, ModelRejected, VettingTooCostly, one_line
from models.memory import is_out_of_memory
from models.vetting.eight_bits import is_quantized
from models.vetting.file_checks import identify
from models.vetting.job import Job
from models.vetting.opening import open_candidate

_OPSET = 18
_LEAST_OPSET = 13
"""The first in which each channel of a tensor may have a scale of its own."""
_WEIGHED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_PASSED_THROUGH = (
    *("Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "MaxPool", "Pad", "Relu", "Reshape"),
    *("Resize", "Squeeze", "Transpose", "Unsqueeze"),
)
"""Operators between those with weights that lose little in 8 bits, and spare the way to 32 bits and back."""
_ENDS_IN_FLOATS = ("Gemm", "MatMul")


def quantize(job: Job, built: Path) -> None:
    """Writes the model of a job into `built / ONNX_FILE`, in 8 bits.

    Args:
        job: its `calibration` is a batch of images as the model takes them, shape (n, …), as `.npy`.
        built: an empty folder.

    Raises:
        ModelRejected: it cannot be opened, or `unsupported_layer`.
        VettingTooCostly: the memory allowed is too little.
    """
    path = Path(job.path)
    candidate = open_candidate(path, identify(path), job.memory_bytes)
    try:
        with tempfile.TemporaryDirectory() as folder:
            whole, plain = Path(folder) / "whole.onnx", Path(folder) / "plain.onnx"
            candidate.write_onnx(whole)
            _make_plain(whole, plain)
            _write_quantized(plain, np.load(job.calibration, mmap_mode="r"), built / ONNX_FILE)
    except ModelRejected:
        raise
    except Exception as error:  # exporters and the quantizer raise anything
        if is_out_of_memory(error):
            raise VettingTooCostly("quantizing it took more than it may") from error
        raise _refused(one_line(error)) from error


def _refused(why: str) -> ModelRejected:
    return ModelRejected(ModelFault.UNSUPPORTED_LAYER, f"cannot be quantized: {why}; publish it without --precision")


def _make_plain(source: Path, target: Path) -> None:
    """Writes a model of ONNX with what is constant in it computed, and normalisations in the weights before them."""
    import onnx
    import onnxruntime

    model = onnx.load_model(source)
    if is_quantized(model):
        raise _refused("it is quantized already")
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < _LEAST_OPSET:
        model = onnx.version_converter.convert_version(model, _OPSET)
        source.unlink()
        source.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _write_quantized(plain: Path, images: NDArray[Any], target: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_static

    quantize_static(
        plain,
        target,
        _reader(plain, images),
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=[*_WEIGHED, *_PASSED_THROUGH],
        extra_options={"OpTypesToExcludeOutputQuantization": list(_ENDS_IN_FLOATS)},
    )
    model = onnx.load_model(target)
    weights = {tensor.name for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    if not any(node.op_type == "DequantizeLinear" and node.input[0] in weights for node in model.graph.node):
        raise _refused("it has no convolution and no dense layer of float32")


def _reader(plain: Path, images: NDArray[Any]) -> Any:
    """Gives the quantizer one image after the other, or as many at once as the model takes."""
    from onnxruntime.quantization import CalibrationDataReader

    from models.engines.onnx_engine import open_session

    first = open_session(str(plain)).get_inputs()[0]
    size = first.shape[0] if isinstance(first.shape[0], int) else 1
    starts = iter(range(0, len(images), size))

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            start = next(starts, None)
            if start is None:
                return None
            some = np.arange(start, start + size).clip(max=len(images) - 1)
            return {first.name: images[some]}

    return Reader()
