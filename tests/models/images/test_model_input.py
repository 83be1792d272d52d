"""How images become the batch that a model takes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artefacts import Manifest, OutputSpec
from models.card import Card, InputSpec
from models.images.decoding import Raster
from models.images.model_input import model_input

SPEC = InputSpec(2, 3)
BLACK_TO_WHITE: NDArray[np.uint8] = np.arange(0, 252, 14, dtype=np.uint8).reshape(2, 3, 3)
IMAGE = Raster(BLACK_TO_WHITE)


def manifest(spec: InputSpec = SPEC, shape: tuple[int, ...] = (2, 3, 3), dtype: str = "float32") -> Manifest:
    outputs = (OutputSpec("scores", (1,)),)
    return Manifest("0" * 64, "onnx", "", Card("m", "", (), "raw", spec), shape, dtype, outputs, 0.0)


def test_pixels_are_divided_by_255_exactly() -> None:
    (row,) = model_input([IMAGE], manifest())
    np.testing.assert_array_equal(row, BLACK_TO_WHITE.astype(np.float32) / np.float32(255))


def test_mean_and_std_follow_the_scale_channel_by_channel() -> None:
    spec = replace(SPEC, scale=2.0, mean=(1.0, 2.0, 3.0), std=(0.5, 1.0, 2.0))
    (row,) = model_input([IMAGE], manifest(spec))
    expected = (BLACK_TO_WHITE * np.float32(2) - np.array([1, 2, 3], np.float32)) / np.array([0.5, 1, 2], np.float32)
    np.testing.assert_array_equal(row, expected)


def test_blue_comes_first_where_the_model_wants_it_so_and_mean_and_std_follow_that_order() -> None:
    spec = replace(SPEC, scale=2.0, mean=(1.0, 2.0, 3.0), std=(0.5, 1.0, 2.0), color="BGR")
    (row,) = model_input([IMAGE], manifest(spec))
    blue_first = BLACK_TO_WHITE[..., [2, 1, 0]]
    expected = (blue_first * np.float32(2) - np.array([1, 2, 3], np.float32)) / np.array([0.5, 1, 2], np.float32)
    np.testing.assert_array_equal(row, expected)


def test_blue_comes_first_for_integers_and_for_channels_first_too() -> None:
    spec = replace(SPEC, color="BGR", layout="NCHW")
    (row,) = model_input([IMAGE], manifest(spec, (3, 2, 3), "uint8"))
    np.testing.assert_array_equal(row, BLACK_TO_WHITE.transpose(2, 0, 1)[::-1])


def test_a_manifest_is_read_back_with_the_order_of_its_channels() -> None:
    blue_first = manifest(replace(SPEC, color="BGR"))
    assert Manifest.from_json(json.loads(json.dumps(blue_first.to_json()))) == blue_first


def test_a_negative_scale_inverts_an_image() -> None:
    (row,) = model_input([IMAGE], manifest(replace(SPEC, scale=-1 / 255, mean=(-1.0,))))
    np.testing.assert_allclose(row, 1 - BLACK_TO_WHITE / 255, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e30, -1e30, 1 / 3, 127.5])
def test_any_scale_a_card_may_have_works(scale: float) -> None:
    assert np.isfinite(model_input([IMAGE], manifest(replace(SPEC, scale=scale)))).all()


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint16"])
def test_a_model_of_integers_gets_the_pixels_themselves(dtype: str) -> None:
    batch = model_input([IMAGE], manifest(dtype=dtype))
    assert batch.dtype == dtype
    np.testing.assert_array_equal(batch[0], BLACK_TO_WHITE)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_are_what_the_model_asked_for(dtype: str) -> None:
    assert model_input([IMAGE], manifest(dtype=dtype)).dtype == dtype


def test_channels_come_first_where_the_model_wants_them_so() -> None:
    batch = model_input([IMAGE], manifest(replace(SPEC, layout="NCHW"), (3, 2, 3), "uint8"))
    np.testing.assert_array_equal(batch[0], BLACK_TO_WHITE.transpose(2, 0, 1))
    assert batch.flags.c_contiguous


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3), (6,)])
def test_grey_images_take_the_shape_of_the_model(shape: tuple[int, ...]) -> None:
    assert model_input([IMAGE] * 4, manifest(replace(SPEC, channels=1), shape)).shape == (4, *shape)


def test_images_of_all_sizes_make_one_batch() -> None:
    images = [Raster(np.full((height, width, 3), 7, np.uint8)) for height, width in ((1, 1), (9, 4), (2, 3))]
    batch = model_input(images, manifest(dtype="uint8"))
    np.testing.assert_array_equal(batch, np.full((3, 2, 3, 3), 7, np.uint8))
