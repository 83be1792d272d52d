"""What a model file's name promises."""

from __future__ import annotations

import pytest

from models.model_files import needs_keras


@pytest.mark.parametrize(
    ("uri", "needed"),
    [("gs://b/m.onnx", False), ("/m/M.ONNX", False), ("m.h5", True), ("m.onnx.keras", True), ("onnx", True)],
)
def test_whatever_is_no_onnx_by_its_name_needs_keras(uri: str, needed: bool) -> None:
    assert needs_keras(uri) is needed
