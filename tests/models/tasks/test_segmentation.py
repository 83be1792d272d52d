"""How scores of pixels become a mask and the share of each class."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.card import InputSpec
from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.tasks import Mask
from tests.models.tasks.manifests import meaning, told

CHANCE = np.random.default_rng(3)


def decoded(answer: dict[str, Any]) -> np.ndarray:
    """The mask as Pillow reads it, once it has proved a palette PNG of 8 bits."""
    data = base64.b64decode(answer["mask"]["png"], validate=True)
    assert data[24:26] == bytes([8, 3])  # bit depth, and colour type "palette"
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG" and image.mode == "P"
    assert image.size == (answer["mask"]["width"], answer["mask"]["height"])
    return np.asarray(image)


@pytest.mark.parametrize("channels_first", [False, True])
def test_scores_of_each_pixel_become_the_best_class_of_each(channels_first: bool) -> None:
    scores = CHANCE.random((6, 9, 5)).astype(np.float32)
    output = scores.transpose(2, 0, 1) if channels_first else scores
    answer = told("segmentation", output, spec=InputSpec(12, 18))
    np.testing.assert_array_equal(decoded(answer), scores.argmax(axis=-1))
    assert answer["mask"].keys() == {"height", "width", "png"}


def test_where_classes_and_sides_are_alike_the_layout_of_the_input_tells_them_apart() -> None:
    scores = CHANCE.random((8, 8, 8))
    last = decoded(told("segmentation", scores, spec=InputSpec(8, 8)))
    first = decoded(told("segmentation", scores, spec=InputSpec(8, 8, 3, "NCHW")))
    np.testing.assert_array_equal(last, scores.argmax(axis=2))
    np.testing.assert_array_equal(first, scores.argmax(axis=0))


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_class_indices_are_the_mask_itself(shape: tuple[int, ...], dtype: type) -> None:
    indices = CHANCE.integers(0, 256, (8, 8))
    np.testing.assert_array_equal(decoded(told("segmentation", indices.reshape(shape).astype(dtype))), indices)


@pytest.mark.parametrize(("activation", "threshold", "limit"), [("none", 0.5, 0.5), ("sigmoid", 0.7, np.log(7 / 3))])
def test_one_score_a_pixel_tells_two_classes(activation: Any, threshold: float, limit: float) -> None:
    scores = CHANCE.normal(0.5, 1.0, (8, 8, 1))
    answer = told("segmentation", scores, activation=activation, threshold=threshold, labels=("sky", "bird"))
    np.testing.assert_array_equal(decoded(answer), scores[..., 0] >= limit)
    assert {share["label"] for share in answer["shares"]} == {"sky", "bird"}


def test_shares_are_of_the_classes_that_there_are_largest_first() -> None:
    indices = np.array([[2, 2, 2, 0], [2, 2, 2, 0], [2, 2, 5, 0], [2, 2, 5, 5]])
    shares = told("segmentation", indices, labels=("a", "b", "c"))["shares"]
    assert shares == [
        {"label": "c", "class_index": 2, "share": 10 / 16},
        {"label": "a", "class_index": 0, "share": 3 / 16},
        {"label": "5", "class_index": 5, "share": 3 / 16},
    ]


def test_neighbouring_classes_have_colours_far_apart() -> None:
    mask = meaning("segmentation", {"o": np.arange(64).reshape(8, 8)})
    assert isinstance(mask, Mask)
    colours = np.asarray(Image.open(io.BytesIO(mask.png)).convert("RGB")).reshape(-1, 3).astype(int)
    assert tuple(colours[0]) == (0, 0, 0)
    assert len({tuple(colour) for colour in colours}) == 64
    assert np.abs(np.diff(colours, axis=0)).max(axis=1).min() >= 64


@pytest.mark.parametrize("image", [(40, 80), (80, 40), (80, 80)])
def test_borders_that_were_added_are_no_part_of_the_mask(image: tuple[int, int]) -> None:
    raster = Raster(np.zeros((*image, 3), np.uint8))
    spec = InputSpec(32, 32, fit="pad")
    rows, columns = np.mgrid[0:16, 0:16]
    inner_height, inner_width = 16 * image[0] // max(image), 16 * image[1] // max(image)
    top, left = (16 - inner_height) // 2, (16 - inner_width) // 2
    inside = (rows >= top) & (rows < top + inner_height) & (columns >= left) & (columns < left + inner_width)
    mask = meaning("segmentation", {"o": inside.astype(np.uint8)}, raster, spec)
    assert isinstance(mask, Mask)
    assert (mask.height, mask.width) == (inner_height, inner_width)
    assert [(share.class_index, share.share) for share in mask.shares] == [(1, 1.0)]


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_without_borders_the_mask_is_what_the_model_saw(fit: Any) -> None:
    raster = Raster(np.zeros((40, 80, 3), np.uint8))
    mask = meaning("segmentation", {"o": np.zeros((16, 16), np.uint8)}, raster, InputSpec(32, 32, fit=fit))
    assert isinstance(mask, Mask)
    assert (mask.height, mask.width) == (16, 16)


@pytest.mark.parametrize("index", [-1, 256])
def test_an_index_that_no_palette_has_is_no_answer(index: int) -> None:
    with pytest.raises(ImageError) as caught:
        told("segmentation", np.full((8, 8), index))
    assert caught.value.fault is ImageFault.PREDICTION_FAILED
