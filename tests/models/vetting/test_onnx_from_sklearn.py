"""Models of scikit-learn, which take an image as one row of numbers, answer as they do there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.engines.loading import load_engine
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.registry.cache import ArtefactCache
from models.releasing.card_in_file import embed_card
from models.storage import LocalStorage
from models.vetting import Vetter

FOLDER = Path(__file__).parent / "onnx_from_sklearn"
with np.load(FOLDER / "answers.npz") as told:
    TOLD: dict[str, NDArray[Any]] = dict(told)
PIXELS = [Raster(np.repeat(image[..., None], 3, axis=-1)) for image in TOLD["images"]]


@pytest.fixture
def vetter(tmp_path: Path) -> Iterator[Vetter]:
    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(tmp_path / "cache"), largest_batch=3)) as vetter:
        yield vetter


@pytest.mark.parametrize(
    "name",
    [
        "regression_probabilities",
        "regression_label_and_probabilities",
        "regression_label_and_maps",
        "perceptron_label_and_probabilities",
        "forest_label_and_probabilities",
    ],
)
def test_a_model_answers_as_in_scikit_learn(name: str, vetter: Vetter, tmp_path: Path) -> None:
    path = Path(shutil.copy(FOLDER / f"{name}.onnx", tmp_path))
    embed_card(path, {"input": {"scale": 1.0}})  # the pixels of these digits are 0..16

    vetted = vetter.vet(str(path))

    assert vetted.artefact.manifest.input_shape == (64,)
    assert vetted.artefact.manifest.card.task == "classification"
    *labels, probabilities = load_engine(vetted.artefact, 1).predict(model_input(PIXELS, vetted.artefact.manifest))
    expected = TOLD[name.partition("_")[0]]
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert len(np.unique(expected.argmax(axis=1))) > 5
    for label in labels:
        np.testing.assert_array_equal(label, expected.argmax(axis=1))


def test_a_row_of_numbers_is_a_square_grey_image_and_that_is_told(vetter: Vetter) -> None:
    manifest = vetter.vet(str(FOLDER / "regression_probabilities.onnx")).artefact.manifest
    spec = manifest.card.input
    assert (spec.height, spec.width, spec.channels, spec.color) == (8, 8, 1, "grey")
    assert manifest.notes[0].startswith("it takes 64 numbers, and gets 8x8 grey pixels")
