"""Files as people save them are accepted, and answer as they do in the Keras that saved them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artefacts import Vetted
from models.engines.loading import load_engine
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from models.vetting.probing import FULL, HALF
from tests.own_process import run_module

PIXELS = "it scales its pixels itself"
ASSUMED = "nothing in it says how it wants its pixels"
TEACHABLE = "it is built as Teachable Machine builds its models, and gets its pixels as -1..1"
ANY_SIZE = "it takes any size, and gets 224x224"
CLASSES = "its row of "
LOGITS = "its scores are logits, of which softmax makes probabilities"
TRAINED = "it was trained with BinaryCrossentropy: a binary"
LOGIT = "its scores are logits, of which sigmoid makes probabilities"
NOTES = {
    "transfer_learning": [PIXELS],
    "tutorial": [PIXELS, CLASSES, LOGITS],
    "normalizing": [PIXELS, CLASSES, LOGITS],
    "any_size": [ANY_SIZE, PIXELS, CLASSES, LOGITS],
    "rows": [ASSUMED],
    "attending": [ASSUMED],
    "mixed_precision": [ASSUMED],
    "half": [PIXELS],
    "bytes": [],
    "fixed_batch": [ASSUMED],
    "yes_or_no": [ASSUMED, TRAINED, LOGIT],
    "teachable_machine": [TEACHABLE],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    run_module("tests.models.vetting.peoples_models", folder)
    return folder


@pytest.fixture(scope="module")
def vetter(folder: Path) -> Iterator[Vetter]:
    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(folder / "cache"), largest_batch=3)) as vetter:
        yield vetter


def rasters(images: NDArray[Any]) -> list[Raster]:
    grey = images.ndim == 3
    return [Raster(np.repeat(image[..., None], 3, axis=-1) if grey else image) for image in images]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", NOTES)
def test_a_model_answers_as_in_the_keras_that_saved_it(folder: Path, vetter: Vetter, name: str, version: int) -> None:
    vetted: Vetted = vetter.vet(str(folder / f"{name}_{version}.h5"))

    manifest = vetted.artefact.manifest
    with np.load(folder / f"{name}_{version}.npz") as told:
        images, answers = told["images"], told["answers"]
    (found,) = load_engine(vetted.artefact, 1).predict(model_input(rasters(images), manifest))
    tolerance = HALF if name in ("mixed_precision", "half") else FULL
    np.testing.assert_allclose(found, answers, tolerance.relative, tolerance.absolute)
    assert [note[: len(start)] for note, start in zip(manifest.notes, NOTES[name], strict=True)] == NOTES[name]
