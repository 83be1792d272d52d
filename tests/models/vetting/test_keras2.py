"""Of what Keras 2 can write into a file, only what computes is let through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from models.errors import ModelFault, ModelRejected
from models.vetting import Vetter
from models.vetting.keras2 import check_operations
from tests.models.rejections import rejection


def configuration(class_name: str, config: object) -> dict[str, Any]:
    layer = {"class_name": class_name, "config": config, "name": "it", "inbound_nodes": []}
    inner = {"class_name": "Functional", "config": {"name": "inner", "layers": [layer]}}
    return {"class_name": "Functional", "config": {"name": "outer", "layers": [inner]}}


@pytest.mark.parametrize(
    "function",
    [
        *("io.write_file", "io.read_file", "raw_ops.WriteFile", "raw_ops.Add", "py_function", "numpy_function"),
        *(
            "load_op_library",
            "compat.v1.py_func",
            "compat.v1.write_file",
            "saved_model.load",
            "mathematics",
            "",
            None,
            3,
        ),
        *("print", "debugging.enable_dump_debug_info", "data.experimental.save", "keras.utils.get_file"),
    ],
)
@pytest.mark.parametrize("kind", ["TFOpLambda", "SlicingOpLambda"])
def test_an_operation_that_may_do_more_than_compute_is_refused(kind: str, function: object) -> None:
    refused = rejection(lambda: check_operations(configuration(kind, {"function": function})))
    assert refused.fault is ModelFault.UNSAFE_CODE


@pytest.mark.parametrize("config", [None, [], "io.write_file"])
def test_an_operation_without_a_function_is_refused(config: object) -> None:
    with pytest.raises(ModelRejected):
        check_operations(configuration("TFOpLambda", config))


@pytest.mark.parametrize("kind", ["ClassMethod", "InstanceMethod", "InstanceProperty"])
def test_methods_of_tensorflow_are_refused(kind: str) -> None:
    refused = rejection(lambda: check_operations(configuration(kind, {"cls_symbol": "io.TFRecordWriter"})))
    assert refused.fault is ModelFault.UNSUPPORTED_LAYER


@pytest.mark.parametrize(
    "function",
    [
        "math.truediv",
        "__operators__.add",
        "__operators__.getitem",
        "nn.relu6",
        "compat.v1.nn.conv2d",
        "cast",
        "reshape",
    ],
)
def test_an_operation_that_computes_is_let_through(function: str) -> None:
    check_operations(configuration("TFOpLambda", {"function": function}))


def test_a_file_that_would_write_a_file_is_refused_before_it_is_loaded(tmp_path: Path, vetter: Vetter) -> None:
    path, target = tmp_path / "writes.h5", tmp_path / "written"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps(
            configuration("TFOpLambda", {"function": "io.write_file", "name": "it"})
        )
        file.create_group("model_weights")

    assert rejection(lambda: vetter.vet(str(path))).fault is ModelFault.UNSAFE_CODE
    assert not target.exists()
