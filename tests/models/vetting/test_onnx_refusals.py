"""What ONNX Runtime does not take is refused in words that help whoever exported it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from models.artefacts import Manifest
from models.errors import ModelFault
from models.vetting.examination import examine
from models.vetting.job import Job
from tests.model_files import save_onnx, tiny_classifier
from tests.models.rejections import rejection


def examined(path: Path) -> Manifest:
    return examine(Job(str(path), "0" * 64, "m", "onnx", (1, 2), 1 << 30, 60), path.parent / "built")


@pytest.mark.parametrize(
    ("opset", "version", "words"),
    [
        (99, 9, "Opset 99 is under development"),
        (17, 99, "Unsupported model IR version: 99"),
    ],
)
def test_a_file_that_is_newer_than_the_runtime_is_told_so(opset: int, version: int, words: str, tmp_path: Path) -> None:
    path = tiny_classifier(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.opset_import[0].version, model.ir_version = opset, version
    path.write_bytes(model.SerializeToString())

    refused = rejection(lambda: examined(path))

    assert refused.fault is ModelFault.UNSUPPORTED_LAYER
    assert words in refused.detail
    assert refused.detail.endswith("export it for an older opset, with an older `onnx`")


def test_a_refusal_names_neither_the_vetted_copy_nor_the_runtimes_own_source(tmp_path: Path) -> None:
    node = helper.make_node("Magic", ["image"], ["scores"], domain="of.mine")
    path = save_onnx(tmp_path / "m.onnx", [node], ["n", 8, 8, 3], ["n", 8, 8, 3], domain="of.mine")
    refused = rejection(lambda: examined(path))
    assert refused.fault is ModelFault.UNSUPPORTED_LAYER
    assert "of.mine:Magic" in refused.detail
    assert str(tmp_path) not in refused.detail
    assert "ONNXRuntimeError" not in refused.detail


def test_numbers_that_the_runtime_computes_nothing_with_are_told(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["image", "kernels"], ["scores"])
    kernels = {"kernels": np.ones((5, 3, 3, 3), np.float64)}
    double = TensorProto.DOUBLE
    path = save_onnx(
        tmp_path / "m.onnx", [node], ["n", 3, 8, 8], ["n", 5, 6, 6], kernels, dtype=double, answer_dtype=double
    )
    refused = rejection(lambda: examined(path))
    assert refused.fault is ModelFault.UNSUPPORTED_LAYER
    assert "Could not find an implementation for Conv" in refused.detail
    assert "export it in float32" in refused.detail


def test_weights_in_another_file_are_refused_with_the_way_to_one_file(tmp_path: Path) -> None:
    path = tiny_classifier(tmp_path / "m.onnx")
    beside = tmp_path / "beside.onnx"
    onnx.save_model(onnx.load(path), beside, save_as_external_data=True, size_threshold=0)

    refused = rejection(lambda: examined(beside))

    assert refused.fault is ModelFault.UNSAFE_CODE
    assert "torch.onnx.export(…, external_data=False)" in refused.detail
    onnx.save_model(onnx.load(beside), tmp_path / "one.onnx", save_as_external_data=False)  # as the refusal says
    (tmp_path / "built").mkdir()
    assert examined(tmp_path / "one.onnx").engine == "onnx"


def test_answers_that_are_no_numbers_are_refused_by_name(tmp_path: Path) -> None:
    node = helper.make_node("SequenceConstruct", ["image"], ["scores"])
    path = save_onnx(tmp_path / "m.onnx", [node], ["n", 8, 8, 3], ["n", 8, 8, 3])
    model = onnx.load(path)
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("scores", TensorProto.FLOAT, None))
    path.write_bytes(model.SerializeToString())
    refused = rejection(lambda: examined(path))
    assert refused.fault is ModelFault.WRONG_OUTPUT
    assert "its output scores is seq(tensor(float))" in refused.detail
