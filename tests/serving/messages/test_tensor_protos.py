"""Arrays go into TensorFlow's tensors and come out as they were, and cost no more than they must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from serving.messages.pool import message
from serving.messages.tensor_protos import array_of, fill, shape_of


def filled(values: Any) -> Any:
    proto = message("tensorflow.serving.PredictRequest")().inputs["any"]
    fill(proto, values)
    return proto


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8", "int64", "uint64", "bool"])
@pytest.mark.parametrize("shape", [(1, 3), (2, 40_000)])
def test_an_array_there_and_back(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    proto = filled(values)
    read = array_of(proto, "x")
    assert shape_of(proto) == shape
    assert read.dtype == dtype and (read == values).all()


@pytest.mark.parametrize("rows", [1, 100, 1000])
def test_floats_are_where_clients_look_for_them_however_many_they_are(rows: int) -> None:
    proto = filled(np.full((rows, 1000), 0.5, np.float32))
    assert len(proto.float_val) == rows * 1000 and proto.float_val[-1] == 0.5
    assert not proto.tensor_content


class Counted:
    """A message that counts how often each field of it is asked for."""

    def __init__(self, proto: Any) -> None:
        self._proto = proto
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self._proto, name)


def test_the_bytes_of_a_tensor_are_asked_for_once() -> None:
    proto = message("tensorflow.serving.PredictRequest")().inputs["any"]
    fill(proto, np.zeros((2, 3), np.float32))
    proto.ClearField("float_val")
    proto.tensor_content = np.arange(6, dtype=np.float32).tobytes()
    counted = Counted(proto)
    assert array_of(counted, "x").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert counted.asked.count("tensor_content") == 1
