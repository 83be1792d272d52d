"""What images an ONNX model wants is told by what it does with them, where its input's shape leaves it open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, helper

from models.artefacts import Manifest
from models.errors import ModelFault
from models.vetting.examination import examine
from models.vetting.job import Job
from tests.model_files import save_onnx
from tests.models.rejections import rejection

OPEN: list[int | str] = ["n", "c", "h", "w"]
KERNELS = np.linspace(-1, 1, 5 * 3 * 3 * 3, dtype=np.float32).reshape(5, 3, 3, 3)
POOL = [
    helper.make_node("GlobalAveragePool", ["found"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["scores"]),
]


def convolution(image: str = "image", kernels: str = "kernels", **how: Any) -> NodeProto:
    return helper.make_node("Conv", [image, kernels], ["found"], **how)


def examined(path: Path) -> Manifest:
    built = path.parent / "built"
    built.mkdir()
    return examine(Job(str(path), "0" * 64, "m", "onnx", (1, 2, 4), 1 << 30, 60), built)


@pytest.mark.parametrize(
    ("before", "layout", "shape"),
    [
        ([], "NCHW", (3, 224, 224)),
        ([helper.make_node("Identity", ["image"], ["first"])], "NCHW", (3, 224, 224)),
        ([helper.make_node("Mul", ["factor", "image"], ["first"])], "NCHW", (3, 224, 224)),
        ([helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2])], "NHWC", (224, 224, 3)),
        (
            [
                helper.make_node("Transpose", ["image"], ["turned"], perm=[0, 3, 2, 1]),
                helper.make_node("Transpose", ["turned"], ["first"], perm=[0, 1, 3, 2]),
            ],
            "NHWC",
            (224, 224, 3),
        ),
    ],
    ids=["at once", "after a step", "after arithmetic", "channels last", "turned twice"],
)
def test_channels_that_are_left_open_are_those_of_the_first_convolution(
    before: list[NodeProto], layout: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    nodes = [*before, convolution("first" if before else "image"), *POOL]
    constants = {"kernels": KERNELS, "factor": np.array(2, np.float32)}
    manifest = examined(save_onnx(tmp_path / "m.onnx", nodes, OPEN, ["n", 5], constants))
    assert (manifest.card.input.layout, manifest.input_shape) == (layout, shape)


def test_the_channels_of_grouped_and_of_quantized_kernels_are_found(tmp_path: Path) -> None:
    kernels = helper.make_node("DequantizeLinear", ["eight_bits", "scale"], ["kernels"])
    constants: dict[str, Any] = {
        "eight_bits": np.arange(27, dtype=np.int8).reshape(3, 1, 3, 3),
        "scale": np.array(0.1, np.float32),
    }
    nodes = [kernels, convolution(group=3), *POOL]
    manifest = examined(save_onnx(tmp_path / "m.onnx", nodes, OPEN, ["n", 3], constants))
    assert manifest.input_shape == (3, 224, 224)


def test_grey_images_to_which_a_model_adds_the_channel_itself_are_a_batch(tmp_path: Path) -> None:
    nodes = [helper.make_node("Unsqueeze", ["image", "axes"], ["first"]), convolution("first"), *POOL]
    constants = {"axes": np.array([1]), "kernels": KERNELS[:, :1]}
    manifest = examined(save_onnx(tmp_path / "m.onnx", nodes, ["n", 28, 28], ["n", 5], constants))
    assert manifest.input_shape == (28, 28)


@pytest.mark.parametrize("answers", [3, 10])
def test_a_model_of_one_image_without_a_batch_is_refused(answers: int, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Unsqueeze", ["image", "axes"], ["first"]),
        convolution("first"),
        helper.make_node("GlobalAveragePool", ["found"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "shape"], ["scores"]),
    ]
    kernels = np.repeat(KERNELS[:1], answers, axis=0)
    constants = {"axes": np.array([0]), "kernels": kernels, "shape": np.array([-1])}
    path = save_onnx(tmp_path / "m.onnx", nodes, [3, 28, 28], [answers], constants)
    refused = rejection(lambda: examined(path))
    assert refused.fault is ModelFault.WRONG_INPUT
    assert "one image, not a batch" in refused.detail


def test_a_fixed_batch_whose_answers_are_not_one_an_image_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["scores"]),
    ]
    constants = {"shape": np.array([3 * 8 * 8]), "weights": np.ones((3 * 8 * 8, 10), np.float32)}
    path = save_onnx(tmp_path / "m.onnx", nodes, [3, 8, 8], [10], constants)
    refused = rejection(lambda: examined(path))
    assert refused.fault is ModelFault.WRONG_OUTPUT
    assert "each image needs a row of its own" in refused.detail


def test_a_model_that_answers_one_image_but_not_two_is_told_so(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["image", "shape"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["scores"]),
    ]
    constants = {"shape": np.array([1, 8 * 8 * 3]), "weights": np.ones((8 * 8 * 3, 10), np.float32)}
    path = save_onnx(tmp_path / "m.onnx", nodes, ["n", 8, 8, 3], ["n", 10], constants)
    refused = rejection(lambda: examined(path))
    assert refused.fault is ModelFault.WRONG_INPUT
    assert refused.detail.startswith("answers fewer plain images, but not 2 at once: ")


def row_model(path: Path, size: int, card: dict[str, Any] | None = None) -> Path:
    weights = {"weights": np.ones((size, 2), np.float32)}
    nodes = [helper.make_node("MatMul", ["image", "weights"], ["scores"])]
    return save_onnx(path, nodes, ["n", size], ["n", 2], weights, card=card)


@pytest.mark.parametrize(("size", "side"), [(64, 8), (784, 28)])
def test_a_row_of_numbers_is_a_square_grey_image(size: int, side: int, tmp_path: Path) -> None:
    manifest = examined(row_model(tmp_path / "m.onnx", size))
    spec = manifest.card.input
    assert (spec.height, spec.width, spec.color) == (side, side, "grey")
    assert f"gets {side}x{side} grey pixels" in manifest.notes[0]


@pytest.mark.parametrize("size", [4, 49, 100 * 3, 32 * 32 * 3, 785])
def test_a_row_of_few_numbers_or_of_no_square_is_no_image(size: int, tmp_path: Path) -> None:
    path = row_model(tmp_path / "m.onnx", size)
    assert rejection(lambda: examined(path)).fault is ModelFault.WRONG_INPUT


def test_a_card_says_otherwise_what_a_row_of_numbers_is(tmp_path: Path) -> None:
    manifest = examined(row_model(tmp_path / "m.onnx", 144, {"input": {"height": 4, "width": 12}}))
    assert (manifest.card.input.height, manifest.card.input.width, manifest.card.input.channels) == (4, 12, 3)
    assert not any("numbers" in note for note in manifest.notes)


def test_a_card_that_wants_colours_of_a_square_row_is_a_contradiction(tmp_path: Path) -> None:
    path = row_model(tmp_path / "m.onnx", 64, {"input": {"color": "RGB"}})
    assert rejection(lambda: examined(path)).detail.startswith("takes (64), but its card says 8x8x3 NHWC")
