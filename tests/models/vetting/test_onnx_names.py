"""What an ONNX file may name: operators that compute, wherever in the file they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime.capi.onnxruntime_pybind11_state as runtime
import pytest
from onnx import TensorProto, helper

from models.errors import ModelFault
from models.vetting import onnx_names
from models.vetting.examination import examine
from models.vetting.job import Job
from tests.model_files import tiny_classifier
from tests.models.rejections import rejection

REACHING = {"EPContext", "Snpe", "SampleOp"}


def forbidden_node() -> onnx.NodeProto:
    return helper.make_node("EPContext", ["image"], ["context"], domain="com.microsoft", ep_cache_context="/etc/passwd")


def branch(node: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph([node], "branch", [], [helper.make_tensor_value_info("context", TensorProto.FLOAT, None)])


def function(node: onnx.NodeProto | None = None) -> onnx.FunctionProto:
    nodes = [node or helper.make_node("Identity", ["image"], ["out"])]
    return helper.make_function("mine", "F", ["image"], ["out"], nodes, [helper.make_opsetid("", 17)])


def in_the_graph(model: Any) -> None:
    model.graph.node.append(forbidden_node())


def in_a_branch(model: Any) -> None:
    node = helper.make_node(
        "If", ["yes"], ["either"], then_branch=branch(forbidden_node()), else_branch=branch(forbidden_node())
    )
    model.graph.node.append(node)


def in_a_function(model: Any) -> None:
    model.functions.append(function(forbidden_node()))


def in_what_a_function_takes_by_default(model: Any) -> None:
    made = function()
    made.attribute_proto.append(helper.make_attribute("body", branch(forbidden_node())))
    model.functions.append(made)


def in_the_training(model: Any) -> None:
    model.training_info.add().algorithm.CopyFrom(branch(forbidden_node()))


PLACES = [in_the_graph, in_a_branch, in_a_function, in_what_a_function_takes_by_default, in_the_training]


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    model = onnx.load(tiny_classifier(path))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def refused(path: Path) -> Any:
    job = Job(str(path), "0" * 64, "m", "onnx", (1, 2), 1 << 30, 60)
    return rejection(lambda: examine(job, path.parent / "built"))


@pytest.mark.parametrize("place", PLACES)
def test_an_operator_that_may_do_more_than_compute_is_refused_wherever_it_is(
    tmp_path: Path, place: Callable[[Any], None]
) -> None:
    found = refused(changed(tmp_path / "m.onnx", place))
    assert found.fault is ModelFault.UNSAFE_CODE
    assert "com.microsoft:EPContext" in found.detail


def test_weights_outside_the_file_are_refused_in_a_functions_attributes_too(tmp_path: Path) -> None:
    def outside(model: Any) -> None:
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="../secret")
        made = function()
        made.attribute_proto.append(helper.make_attribute("value", tensor))
        model.functions.append(made)

    assert refused(changed(tmp_path / "m.onnx", outside)).fault is ModelFault.UNSAFE_CODE


def test_every_operator_of_the_runtime_here_is_decided_upon() -> None:
    named = {schema.name for schema in runtime.get_all_operator_schema() if schema.domain == "com.microsoft"}
    assert named - REACHING <= onnx_names._OWN
    assert not REACHING & onnx_names._OWN
