"""Floats go between arrays and messages as the bytes that they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from serving.asking import Code, Refused
from serving.messages.packed import numbers_in, put
from serving.messages.pool import message

Tensor = type(message("tensorflow.serving.PredictRequest")().inputs["any"])
Contents = message("inference.InferTensorContents")
FIELDS = [(Tensor, "float_val", "float32"), (Tensor, "double_val", "float64")]
FIELDS += [(Contents, "fp32_contents", "float32"), (Contents, "fp64_contents", "float64")]
SIGNALLING = {"float32": np.array([0x7F800001, 0xFF812345], np.uint32).view(np.float32)}
SIGNALLING["float64"] = np.array([0x7FF0000000000001], np.uint64).view(np.float64)


@pytest.mark.parametrize(("kind", "field", "dtype"), FIELDS)
@pytest.mark.parametrize("count", [0, 1, 31, 32, 5000, 100_000])
def test_whoever_reads_the_field_finds_the_array(kind: Any, field: str, dtype: str, count: int) -> None:
    values = np.random.default_rng(1).standard_normal(count).astype(dtype)
    written, expected = kind(), kind()
    put(written, field, values)
    getattr(expected, field).extend(values.tolist())
    assert written.SerializeToString() == expected.SerializeToString()
    assert numbers_in(expected, field, np.dtype(dtype), "x").tobytes() == values.tobytes()


@pytest.mark.parametrize(("kind", "field", "dtype"), FIELDS)
def test_not_a_bit_is_changed_as_it_would_be_in_pythons_numbers(kind: Any, field: str, dtype: str) -> None:
    values = SIGNALLING[dtype]
    written = kind()
    put(written, field, values)
    assert written.SerializeToString().endswith(values.tobytes())
    assert numbers_in(written, field, np.dtype(dtype), "x").tobytes() == values.tobytes()


class NeverListed(np.ndarray):
    """An array that tells nobody its numbers one by one."""

    def tolist(self) -> Any:
        """Fails the test."""
        raise AssertionError("told one by one")


@pytest.mark.parametrize(("kind", "field", "dtype"), FIELDS)
def test_floats_are_never_made_pythons_numbers(kind: Any, field: str, dtype: str) -> None:
    put(kind(), field, np.ones((32, 1000), dtype).view(NeverListed))


def test_rows_of_any_layout_are_written_row_after_row() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4).T[::2]
    written = Tensor()
    put(written, "float_val", values)
    assert list(written.float_val) == values.reshape(-1).tolist()


def test_numbers_are_read_from_among_whatever_a_client_puts_beside_them() -> None:
    given = Tensor(dtype=1, float_val=[1.0, 2.0], string_val=[b"\x2a\x08"], double_val=[9.0], tensor_content=b"\x2a")
    given.tensor_shape.dim.add(size=2)
    given.MergeFromString(b"\xfa\x3f\x0a\x2a\x08aaaabbbb")  # what a later version may add
    assert numbers_in(given, "float_val", np.dtype(np.float32), "x").tolist() == [1.0, 2.0]
    assert list(given.double_val) == [9.0]


@pytest.mark.parametrize(
    ("field", "dtype", "values"),
    [
        ("int_val", "uint8", [0, 255]),
        ("int_val", "int16", [-(2**15)]),
        ("int64_val", "int64", [2**63 - 1, -(2**63)]),
        ("uint64_val", "uint64", [2**64 - 1]),
        ("bool_val", "bool", [True, False]),
        ("int_val", "int8", []),
    ],
)
def test_whole_numbers_there_and_back(field: str, dtype: str, values: list[Any]) -> None:
    written = Tensor()
    put(written, field, np.array(values, dtype))
    assert list(getattr(written, field)) == values
    read = numbers_in(written, field, np.dtype(dtype), "x")
    assert read.dtype == dtype and read.tolist() == values


def test_whole_numbers_past_their_kind_are_refused() -> None:
    with pytest.raises(Refused, match="'x' holds numbers that are none of uint8") as refused:
        numbers_in(Tensor(int_val=[256]), "int_val", np.dtype(np.uint8), "x")
    assert refused.value.code is Code.INVALID_ARGUMENT
