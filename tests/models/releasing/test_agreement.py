"""When a quantized model counts as answering as before, for each task."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from models.artefacts import ONNX_FILE, Artefact, Manifest, OutputSpec
from models.card import Card, InputSpec
from models.releasing.agreement import agreement
from tests.model_files import save_onnx

IMAGES = np.linspace(0, 1, 10 * 2 * 2 * 3, dtype=np.float32).reshape(10, 2, 2, 3)
Numbers = list[float]
SMALL = InputSpec(2, 2)
LIMITS = {"before": 0.5, "after": 0.7}


def answering(folder: Path, answer: Any, slope: Any = 0.0, *, task: Any, spec: InputSpec = SMALL) -> Artefact:
    """A model that answers each image with the same numbers, and its mean added `slope` times."""
    folder.mkdir()
    value = np.asarray(answer, np.float32)
    constants = {"slope": np.array(slope, np.float32), "answer": value[None]}
    axes = [-1, *[1] * value.ndim]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["means"]),
        helper.make_node("Mul", ["means", "slope"], ["more"]),
        helper.make_node("Add", ["more", "answer"], ["scores"]),
    ]
    constants["column"] = np.array(axes, np.int64)
    shape = (spec.height, spec.width, 3)
    save_onnx(folder / ONNX_FILE, nodes, ["n", *shape], ["n", *value.shape], constants)
    whole = Card("", "", (), task, spec)
    outputs = (OutputSpec("scores", value.shape),)
    return Artefact(folder, Manifest("0" * 64, "onnx", "", whole, shape, "float32", outputs, 0.0))


@pytest.mark.parametrize(
    ("task", "before", "same", "other"),
    [
        ("classification", [0.6, 0.4], [0.51, 0.49], [0.49, 0.51]),
        ("binary", [0.6], [0.51], [0.49]),
        ("multilabel", [0.6, 0.6, 0.1], [0.9, 0.51, 0.4], [0.9, 0.49, 0.1]),
    ],
)
def test_classes_are_compared_by_what_a_result_tells(
    task: str, before: Numbers, same: Numbers, other: Numbers, tmp_path: Path
) -> None:
    original = answering(tmp_path / "before", before, task=task)
    assert agreement(original, answering(tmp_path / "same", same, task=task), IMAGES).share == 1.0
    assert agreement(original, answering(tmp_path / "other", other, task=task), IMAGES).share == 0.0


@pytest.mark.parametrize(("changed", "share"), [(0, 1.0), (2, 1.0), (3, 0.0)])
def test_masks_are_compared_by_the_shares_of_their_classes(changed: int, share: float, tmp_path: Path) -> None:
    spec = InputSpec(7, 7)
    scores = np.zeros((7, 7, 2))
    scores[..., 0] = 1
    moved = scores.reshape(-1, 2).copy()
    moved[:changed, 1] = 2
    before, after = [
        answering(tmp_path / name, each, task="segmentation", spec=spec)
        for name, each in (("before", scores), ("after", moved.reshape(7, 7, 2)))
    ]
    assert agreement(before, after, np.zeros((10, 7, 7, 3), np.float32)).share == share


@pytest.mark.parametrize(("error", "share"), [(0.049, 1.0), (0.051, 0.0)])
def test_numbers_are_compared_in_relation_to_their_range(error: float, share: float, tmp_path: Path) -> None:
    means = IMAGES.mean(axis=(1, 2, 3))
    slope = float(1 / (means.max() - means.min()))
    original = answering(tmp_path / "before", [5.0], slope, task="regression")
    found = agreement(original, answering(tmp_path / "after", [5.0 + error], slope, task="regression"), IMAGES)
    assert found.share == share
    assert found.difference == pytest.approx(error, abs=1e-4)
    assert str(found).startswith(f"{share:.1%} of 10 images get numbers within 5% of their range, ")


def test_a_model_that_answers_no_number_agrees_with_none(tmp_path: Path) -> None:
    original = answering(tmp_path / "before", [0.6, 0.4], task="classification")
    broken = answering(tmp_path / "after", [0.6, math.nan], task="classification")
    found = agreement(original, broken, IMAGES)
    assert (found.share, found.difference) == (0.0, math.inf)


def test_images_that_disagree_are_counted_one_by_one(tmp_path: Path) -> None:
    before, after = [
        answering(tmp_path / name, [0, limit], [1, 0], task="classification") for name, limit in LIMITS.items()
    ]
    between = ((IMAGES.mean(axis=(1, 2, 3)) - np.array([[0.5], [0.7]])) > 0).sum(axis=0) == 1
    assert 0 < between.sum() < len(IMAGES)
    assert agreement(before, after, IMAGES).share == pytest.approx(1 - between.mean())
