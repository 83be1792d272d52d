"""Models of every task, saved by Keras without a card, are understood, and answer as they do in their own Keras."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.answering import answers
from models.artefacts import Manifest
from models.engines.loading import load_engine
from models.errors import ImageError
from models.images.decoding import Raster
from models.live import LiveModel
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter
from tests.models.tasks import ssd
from tests.own_process import run_module

TASKS = ["binary", "multilabel", "segmentation", "foreground", "two_heads", "final_boxes", "ssd_vgg"]
TWICE = ["binary", "segmentation", "ssd_vgg"]


class Answered:
    """What a model without a card answered through this project, and what in its own Keras.

    Attributes:
        manifest: that vetting left.
        results: for each image, the fields of its result.
        own: each output of its own, a row an image.
    """

    def __init__(self, folder: Path, vetter: Vetter, name: str) -> None:
        vetted = vetter.vet(str(folder / f"{name}.h5"))
        self.manifest: Manifest = vetted.artefact.manifest
        live = LiveModel(vetted.reference, self.manifest, load_engine(vetted.artefact, 1))
        with np.load(folder / f"{name}.npz") as told:
            images = told["images"]
            self.own: list[NDArray[Any]] = [told[str(place)] for place in range(len(told.files) - 1)]
        self.results = []
        for answer in answers(live, [Raster(image) for image in images]):
            assert not isinstance(answer, ImageError)
            self.results.append(answer.to_json())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    run_module("tests.models.vetting.task_models", folder)
    return folder


@pytest.fixture(scope="module")
def vetter(folder: Path) -> Iterator[Vetter]:
    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(folder / "cache"), largest_batch=3)) as vetter:
        yield vetter


@pytest.fixture(params=[*(f"{name}_3" for name in TASKS), *(f"{name}_2" for name in TWICE)])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_model_of_each_task_is_understood_without_a_card(model: str, folder: Path, vetter: Vetter) -> None:
    answered = Answered(folder, vetter, model)
    {
        "binary": check_binary,
        "multilabel": check_multilabel,
        "segmentation": check_segmentation,
        "foreground": check_foreground,
        "two_heads": check_two_heads,
        "final_boxes": check_final_boxes,
        "ssd_vgg": check_ssd_vgg,
    }[model[:-2]](answered)


def check_binary(answered: Answered) -> None:
    assert answered.manifest.card.task == "binary"
    for result, (number,) in zip(answered.results, answered.own[0], strict=True):
        scores = {item["class_index"]: item["score"] for item in result["top"]}
        assert scores == pytest.approx({0: 1 - number, 1: number}, abs=1e-4)
        assert result["class_index"] == int(number >= 0.5)


def check_multilabel(answered: Answered) -> None:
    assert answered.manifest.card.task == "multilabel"
    for result, row in zip(answered.results, answered.own[0], strict=True):
        scores = {item["class_index"]: item["score"] for item in result["labels"]}
        assert scores == pytest.approx({i: score for i, score in enumerate(row) if score >= 0.5}, abs=1e-4)
        assert len(scores) > 0


def mask_of(result: dict[str, Any]) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(result["mask"]["png"]))))


def check_segmentation(answered: Answered) -> None:
    assert (answered.manifest.card.task, answered.manifest.card.activation) == ("segmentation", "softmax")
    for result, scores in zip(answered.results, answered.own[0], strict=True):
        classes = scores.argmax(axis=-1)
        assert (mask_of(result) == classes).mean() > 0.99
        expected = {i: share for i, share in enumerate(np.bincount(classes.ravel()) / classes.size) if share}
        shares = {item["class_index"]: item["share"] for item in result["shares"]}
        assert shares == pytest.approx(expected, abs=0.01)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)


def check_foreground(answered: Answered) -> None:
    assert answered.manifest.card.task == "segmentation"
    for result, scores in zip(answered.results, answered.own[0], strict=True):
        assert (mask_of(result) == (scores[..., 0] >= 0.5)).mean() > 0.99


def check_two_heads(answered: Answered) -> None:
    assert answered.manifest.card.task == "raw"
    for result, digit, weight in zip(answered.results, *answered.own, strict=True):
        assert set(result["outputs"]) == {"digit", "weight"}
        np.testing.assert_allclose(result["outputs"]["digit"], digit, atol=1e-4)
        np.testing.assert_allclose(result["outputs"]["weight"], weight, atol=1e-4)


def check_final_boxes(answered: Answered) -> None:
    assert answered.manifest.card.task == "detection"
    for result in answered.results:
        first, second = result["detections"]
        assert (first["class_index"], second["class_index"]) == (2, 0)
        assert [first["score"], second["score"]] == pytest.approx([0.9, 0.6], abs=1e-6)
        assert first["box"] == pytest.approx([0.1, 0.2, 0.4, 0.6], abs=1e-6)
        assert second["box"] == pytest.approx([0.5, 0.1, 0.9, 0.3], abs=1e-6)


def check_ssd_vgg(answered: Answered) -> None:
    card = answered.manifest.card
    assert (card.task, len(answered.manifest.outputs), card.activation) == ("detection", 12, "none")
    found = [
        {(each["class_index"], tuple(np.round(each["box"], 4))) for each in result["detections"]}
        for result in answered.results
    ]
    planted = [
        ssd.Planted(0, 30, 5, 3, (2.0, -3.0, 1.0, -2.0), 7),
        ssd.Planted(2, 8, 2, 0, (1.0, 1.0, 1.0, 1.0), 1),
        ssd.Planted(4, 1, 2, 1, (1.0, 2.0, -3.0, -1.0), 12),
    ]
    expected = [{(each.label, tuple(np.clip(ssd.corners(each), 0, 1).round(4)))} for each in planted]
    assert found == [*expected, set().union(*expected)]
