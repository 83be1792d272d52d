"""How far apart engines may answer for a model in 8 bits: as far as its steps explain, and no farther."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from models.engines.engine import Outputs
from models.vetting.eight_bits import is_quantized, lie_within, room_around
from models.vetting.probing import FULL, Tolerance
from tests.model_files import save_onnx, tiny_classifier

EXACT = Tolerance(0, 0)
IMAGES = np.random.default_rng(3).random((4, 8, 8, 3), np.float32)


def brightness(batch: NDArray[Any]) -> Outputs:
    """A model whose first answer is a hundred times as lively as the second."""
    lights = batch[:, 0, 0, 0]
    return (np.stack([100 * lights, 100 * lights], axis=1), lights[:, None])


def off_by(first: float, second: float) -> Outputs:
    ours = brightness(IMAGES)
    return (ours[0] + first, ours[1] + second)


@pytest.mark.parametrize(
    ("steps", "within"),
    [((0, 0), True), ((0.99, 0), True), ((0, 0.99), True), ((1.01, 0), False), ((0, 1.01), False)],
)
def test_each_output_may_lie_as_far_off_as_a_step_of_the_pixels_moves_it(
    steps: tuple[float, float], within: bool
) -> None:
    room = room_around(brightness(IMAGES), brightness, IMAGES)
    step = float(IMAGES.max()) / 255
    theirs = off_by(100 * steps[0] * step, steps[1] * step)
    assert lie_within(room, theirs, brightness(IMAGES), EXACT) is within


def test_rounding_counts_besides(tmp_path: Path) -> None:
    still = [np.zeros(4), np.zeros(4)]
    assert lie_within(still, off_by(5e-5, 5e-5), brightness(IMAGES), FULL)
    assert not lie_within(still, off_by(0, 5e-3), brightness(IMAGES), FULL)


def test_each_image_has_room_of_its_own() -> None:
    def only_the_first(batch: NDArray[Any]) -> Outputs:
        return (brightness(batch)[1] * np.array([[1], [0], [0], [0]], np.float32),)

    [room] = room_around(only_the_first(IMAGES), only_the_first, IMAGES)
    assert room[0] > 0
    assert not room[1:].any()


def test_whole_numbers_have_no_half_steps() -> None:
    pixels = (IMAGES * 255).astype(np.uint8)
    assert not any(each.any() for each in room_around(brightness(pixels), brightness, pixels))


def test_a_model_is_quantized_by_its_operators(tmp_path: Path) -> None:
    assert not is_quantized(onnx.load_model(tiny_classifier(tmp_path / "float.onnx")))
    constants: dict[str, NDArray[Any]] = {"scale": np.array(0.01, np.float32), "zero": np.array(0, np.uint8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["scores"]),
    ]
    path = save_onnx(tmp_path / "bytes.onnx", nodes, ["n", 8, 8, 3], ["n", 8, 8, 3], constants)
    assert is_quantized(onnx.load_model(path))
