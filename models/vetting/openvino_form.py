"""A model in OpenVINO's own format. Runs in the vetting child."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from models.engines.engine import Predict
from models.engines.openvino_engine import answering, compiled
from models.engines.quiet_openvino import load_openvino


def write_function(function: Any, path: Path) -> None:
    """Writes a concrete function of TensorFlow, of one input, without a detour by ONNX.

    Raises:
        Exception: whatever the converter raises.
    """
    openvino = load_openvino()
    _mend_for_python_3_13()
    with _each_variable_looked_up_once():
        converted = openvino.convert_model(function)
    _write(converted, [output.name for output in function.outputs], path)


def write_onnx_model(source: Path, outputs: Sequence[str], path: Path) -> None:
    """Writes the model in a file of ONNX.

    Raises:
        Exception: whatever the converter raises.
    """
    _write(load_openvino().convert_model(source), outputs, path)


@contextmanager
def _each_variable_looked_up_once() -> Iterator[None]:
    """The converter looks each variable up eleven times, in two lists of all: seconds of a model of hundreds."""
    from openvino.frontend.tensorflow.node_decoder import TFGraphNodeDecoder

    slowly = TFGraphNodeDecoder.get_variable
    TFGraphNodeDecoder.get_variable = staticmethod(cache(slowly))
    try:
        yield
    finally:
        TFGraphNodeDecoder.get_variable = staticmethod(slowly)


def _mend_for_python_3_13() -> None:
    """Tells OpenVINO 2026.4 the version of TensorFlow, since its own way to it raises NameError there."""
    if sys.version_info >= (3, 13):
        import tensorflow as tf
        from openvino.frontend.tensorflow import utils

        utils.get_environment_setup = lambda framework: {framework: "", "tensorflow": tf.__version__}


def openvino_answer(path: Path) -> Predict:
    """What a file of OpenVINO's own format answers."""
    return answering(compiled(path, threads=1))


def _write(model: Any, outputs: Sequence[str], path: Path) -> None:
    """Writes a model with its outputs in the order of their names, and all its numbers as they are."""
    openvino = load_openvino()
    results = [model.output(name).get_node() for name in outputs]
    ordered = openvino.Model(results, model.get_parameters())
    openvino.save_model(ordered, path, compress_to_fp16=False)
