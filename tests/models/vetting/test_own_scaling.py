"""What an ONNX model does to its pixels first tells whether it wants them scaled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from models.engines.onnx_engine import open_session
from models.vetting.own_scaling import Beginning, beginning_of_onnx

Constants = dict[str, NDArray[np.float32]]
BY_CHANNEL = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 1, 1, 3)


def model(first: list[NodeProto], constants: Constants, dtype: int = TensorProto.FLOAT) -> ModelProto:
    """A model whose first operations go from `image` to `scaled`."""
    graph = helper.make_graph(
        [*first, helper.make_node("GlobalMaxPool", ["scaled"], ["answer"])],
        "beginning",
        [helper.make_tensor_value_info("image", dtype, ["n", 4, 4, 3])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def beginning(*first: NodeProto, **constants: NDArray[np.float32]) -> Beginning | None:
    return beginning_of_onnx(model(list(first), constants), open_session)


def number(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def test_a_division_by_255_takes_pixels() -> None:
    found = beginning(helper.make_node("Div", ["image", "c"], ["scaled"]), c=number(255))
    assert found is not None
    assert (found.black.max(), found.white.min()) == (0, 1)
    assert found.takes_pixels
    assert str(found) == "black becomes 0, white 1"


def test_a_cast_and_the_mean_and_deviation_of_pixels_are_followed() -> None:
    found = beginning_of_onnx(
        model(
            [
                helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
                helper.make_node("Sub", ["float", "mean"], ["moved"]),
                helper.make_node("Div", ["moved", "deviation"], ["scaled"]),
            ],
            {"mean": 255 * BY_CHANNEL, "deviation": number(58)},
            TensorProto.UINT8,
        ),
        open_session,
    )
    assert found is not None and found.takes_pixels
    assert str(found) == "black becomes -2.13 to -1.78, white 2.26 to 2.61"


def test_the_mean_of_pixels_alone_takes_pixels() -> None:
    found = beginning(helper.make_node("Sub", ["image", "c"], ["scaled"]), c=number(117))
    assert found is not None and found.takes_pixels


def test_the_mean_and_deviation_of_numbers_0_to_1_take_no_pixels() -> None:
    first = [helper.make_node("Sub", ["image", "m"], ["moved"]), helper.make_node("Div", ["moved", "d"], ["scaled"])]
    found = beginning(*first, m=BY_CHANNEL, d=number(0.225))
    assert found is not None and not found.takes_pixels


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_arithmetic_that_hardly_scales_takes_no_pixels(factor: float) -> None:
    found = beginning(helper.make_node("Mul", ["image", "c"], ["scaled"]), c=number(factor))
    assert found is not None and not found.takes_pixels


def test_what_begins_with_no_arithmetic_tells_nothing() -> None:
    assert beginning(helper.make_node("Identity", ["image"], ["scaled"])) is None


def test_an_image_that_goes_two_ways_tells_nothing() -> None:
    first = [helper.make_node("Div", ["image", "c"], ["part"]), helper.make_node("Add", ["image", "part"], ["scaled"])]
    assert beginning(*first, c=number(255)) is None
