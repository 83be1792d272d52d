"""Quantizing in the vetting child: what exporters write can be, and a file that does harm does it there alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from models.engines.onnx_engine import answering, open_session
from models.errors import ModelFault
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter, VettingLimits
from models.vetting.eight_bits import is_quantized
from tests import model_files
from tests.model_files import tiny_classifier
from tests.models.rejections import rejection
from tests.models.vetting.processes import children

EXPORTED = Path(__file__).parent / "onnx_from_pytorch"


def calibration(path: Path, *shape: int) -> Path:
    np.save(path, np.random.default_rng(1).random((10, *shape), np.float32))
    return path


def answers(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return answering(open_session(str(path)))(images)[0]


@pytest.mark.parametrize("name", ["script_opset_09", "script_fixed_4", "script_any_size", "dynamo_opset_26"])
def test_what_pytorch_exports_can_be_quantized(name: str, tmp_path: Path, vetter: Vetter) -> None:
    source, target = EXPORTED / f"{name}.onnx", tmp_path / "quantized.onnx"
    side = next(each.dim_value for each in onnx.load_model(source).graph.input[0].type.tensor_type.shape.dim[2:]) or 16
    images = calibration(tmp_path / "images.npy", 3, side, side)

    vetter.quantize(source, images, target)

    assert is_quantized(onnx.load_model(target))
    before, after = (answers(path, np.load(images)) for path in (source, target))
    assert before.shape == after.shape
    assert np.abs(before - after).max() <= 0.1 * np.ptp(before)


def test_weights_leave_room_for_sums_of_two_products_in_16_bits(tmp_path: Path, vetter: Vetter) -> None:
    """255 * 64 * 2 does; 255 * 127 * 2 is more than 32,767, and machines without VNNI answer nonsense."""
    images = calibration(tmp_path / "images.npy", 8, 8, 3)
    vetter.quantize(tiny_classifier(tmp_path / "m.onnx"), images, tmp_path / "quantized.onnx")
    weights = [
        onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load_model(tmp_path / "quantized.onnx").graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert weights
    assert max(int(np.abs(each.astype(int)).max()) for each in weights) <= 64


@pytest.mark.parametrize(
    ("make", "limits", "fault"),
    [
        (model_files.never_returns, VettingLimits(seconds=3), ModelFault.TIMED_OUT),
        (model_files.takes_100_gigabytes, VettingLimits(memory_bytes=1 << 30), ModelFault.TOO_LARGE),
        (model_files.custom_operator, VettingLimits(), ModelFault.UNSUPPORTED_LAYER),
        (model_files.external_data, VettingLimits(), ModelFault.UNSAFE_CODE),
        (model_files.raw, VettingLimits(), ModelFault.UNSUPPORTED_LAYER),
    ],
)
def test_a_bad_file_harms_its_child_alone(
    make: Callable[[Path], Path], limits: VettingLimits, fault: ModelFault, tmp_path: Path, shared_cache: ArtefactCache
) -> None:
    vetter = Vetter(LocalStorage(), shared_cache, limits=limits)
    model, images = make(tmp_path / "m.onnx"), calibration(tmp_path / "images.npy", 8, 8, 3)
    refused = rejection(lambda: vetter.quantize(model, images, tmp_path / "quantized.onnx"))
    vetter.close()
    assert refused.fault is fault
    assert not (tmp_path / "quantized.onnx").exists()
    assert not children()
