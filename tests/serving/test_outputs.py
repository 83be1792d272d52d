"""The outputs that every protocol has, for each task."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from models.artefacts import Manifest
from models.card import InputSpec, Task
from models.detection_card import DetectionSpec
from models.engines.engine import Engine
from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.live import LiveModel
from models.reference import ModelReference
from models.tasks import Mask
from serving.asking import Refused
from serving.outputs import Answers, Named, described, named_outputs
from tests.models.tasks.manifests import manifest_of

REFERENCE = ModelReference("models/m.onnx", "ab" * 32)
IMAGE = Raster(np.zeros((16, 8, 3), np.uint8))


def outputs(
    manifest: Manifest, *rows: tuple[Any, ...], images: Sequence[Raster | None] = (), wanted: Sequence[str] = ()
) -> Named:
    """What a client gets of these rows."""
    model = LiveModel(REFERENCE, manifest, cast(Engine, None))
    answered = [tuple(np.asarray(each, np.float32) for each in row) for row in rows]
    return named_outputs(model, Answers(answered, model.manifest, images or [IMAGE] * len(rows)), wanted)


def shapes_fit(manifest: Manifest, found: Named) -> bool:
    """Whether outputs are as they were described."""
    told = {field.name: field for field in described(manifest)}
    return list(told) == list(found) and all(
        len(values.shape) == 1 + len(told[name].shape)
        and all(side in (-1, has) for side, has in zip(told[name].shape, values.shape[1:], strict=True))
        and (values.dtype == object if told[name].kind in ("text", "bytes") else values.dtype == told[name].kind)
        for name, values in found.items()
    )


def test_a_classification_has_every_score_and_names_the_best() -> None:
    manifest = manifest_of("classification", {"out": (3,)}, labels=("a", "b", "c"), activation="softmax")
    found = outputs(manifest, ([0, 1, 5],), ([3, 2, 1],))
    assert shapes_fit(manifest, found)
    assert found["classes"].tolist() == [2, 0]
    assert found["labels"].tolist() == ["c", "a"]
    assert np.allclose(found["scores"].sum(axis=1), 1)
    assert found["model_id"].tolist() == [REFERENCE.model_id] * 2


def test_two_classes_by_one_number_are_two_scores() -> None:
    manifest = manifest_of("binary", {"out": (1,)}, labels=("no", "yes"), threshold=0.7)
    found = outputs(manifest, ([0.6],), ([0.8],))
    assert shapes_fit(manifest, found)
    assert found["labels"].tolist() == ["no", "yes"]
    assert np.allclose(found["scores"], [[0.4, 0.6], [0.2, 0.8]])


def test_labels_that_differ_in_number_are_filled_up() -> None:
    manifest = manifest_of("multilabel", {"out": (3,)}, labels=("a", "b", "c"))
    found = outputs(manifest, ([0.9, 0.1, 0.95],), ([0, 0, 0],))
    assert shapes_fit(manifest, found)
    assert found["labels"].tolist() == [["c", "a"], ["", ""]]
    assert found["classes"].tolist() == [[2, 0], [-1, -1]]
    assert found["scores"].shape == (2, 3)


def test_a_segmentation_has_its_mask_as_a_file() -> None:
    manifest = manifest_of("segmentation", {"out": (8, 8, 2)}, InputSpec(8, 8), labels=("sky", "sea"))
    scores = np.zeros((8, 8, 2))
    scores[:4, :, 0] = scores[4:, :, 1] = 1
    found = outputs(manifest, (scores,))
    assert shapes_fit(manifest, found)
    assert np.asarray(Image.open(io.BytesIO(found["mask_bytes"][0]))).tolist() == scores.argmax(axis=2).tolist()
    assert found["shares"].tolist() == [[0.5, 0.5]]
    assert sorted(found["labels"].tolist()[0]) == ["sea", "sky"]


def test_a_row_is_interpreted_once_whoever_asks() -> None:
    manifest = manifest_of("segmentation", {"out": (8, 8)}, InputSpec(8, 8))
    answers = Answers([(np.ones((8, 8), np.float32),)], manifest, [IMAGE])
    mask = answers.prediction(0)
    found = named_outputs(LiveModel(REFERENCE, manifest, cast(Engine, None)), answers, [])
    assert isinstance(mask, Mask) and found["mask_bytes"][0] is mask.png
    assert answers.prediction(0) is mask


def test_a_detection_has_a_row_of_boxes_for_each_image() -> None:
    spec = DetectionSpec(boxes=("boxes",), scores=("scores",), classes="classes")
    shapes: dict[str, tuple[int, ...]] = {"boxes": (2, 4), "scores": (2,), "classes": (2,)}
    manifest = manifest_of("detection", shapes, detection=spec, labels=("cat", "dog"))
    boxes = [[0.1, 0.1, 0.4, 0.4], [0.6, 0.6, 0.9, 0.9]]
    found = outputs(manifest, (boxes, [0.9, 0.8], [1, 0]), (boxes, [0.1, 0.7], [1, 0]))
    assert shapes_fit(manifest, found)
    assert found["labels"].tolist() == [["dog", "cat"], ["cat", ""]]
    assert found["boxes"].shape == (2, 2, 4)
    assert found["scores"][1].tolist() == pytest.approx([0.7, 0])


@pytest.mark.parametrize("task", ["raw", "regression"])
def test_other_numbers_keep_their_names_and_shapes(task: Task) -> None:
    manifest = manifest_of(task, {"depth": (2, 2), "age": ()})
    found = outputs(manifest, ([[1, 2], [3, 4]], 7), ([[5, 6], [7, 8]], 9))
    assert shapes_fit(manifest, found)
    assert found["depth"].tolist() == [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]
    assert found["age"].tolist() == [7, 9]


def test_a_model_can_be_asked_for_its_own_numbers() -> None:
    manifest = manifest_of("classification", {"logits": (3,)}, activation="softmax")
    found = outputs(manifest, ([0, 1, 5],), wanted=["logits", "classes"])
    assert sorted(found) == ["classes", "logits", "model_id"]
    assert found["logits"].tolist() == [[0, 1, 5]]


def test_all_that_there_is_has_the_labels_of_all_scores_and_the_name_of_the_model() -> None:
    manifest = manifest_of("binary", {"out": (1,)}, labels=("no", "yes"))
    found = outputs(manifest, ([0.6],), ([0.8],), wanted=["*"])
    assert sorted(found) == ["class_labels", "classes", "labels", "model_id", "model_name", "scores"]
    assert found["class_labels"].tolist() == [["no", "yes"]] * 2
    assert found["model_name"].tolist() == [manifest.card.name] * 2
    assert found["scores"].shape == (2, 2)


def test_all_that_there_is_can_be_asked_of_a_model_without_classes_and_with_its_own_numbers() -> None:
    manifest = manifest_of("regression", {"age": ()})
    assert sorted(outputs(manifest, ([7],), wanted=["*"])) == ["age", "model_id", "model_name"]
    manifest = manifest_of("classification", {"logits": (3,)}, activation="softmax")
    assert "logits" in outputs(manifest, ([0, 1, 5],), wanted=["*", "logits"])
    with pytest.raises(Refused, match="no output 'score'"):
        outputs(manifest, ([0, 1, 5],), wanted=["*", "score"])


def test_what_the_model_was_given_ready_is_answered_without_an_image() -> None:
    manifest = manifest_of("segmentation", {"out": (8, 8)}, InputSpec(8, 8))
    assert outputs(manifest, (np.ones((8, 8)),), images=[None])["shares"].tolist() == [[1]]


def test_an_output_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="no output 'score'; there is scores, classes, labels, model_id"):
        outputs(manifest_of("classification", {"out": (3,)}), ([0, 1, 5],), wanted=["score"])


@pytest.mark.parametrize("wanted", [(), ("out",)])
def test_what_is_no_number_is_no_answer(wanted: Sequence[str]) -> None:
    with pytest.raises(ImageError) as error:
        outputs(manifest_of("raw", {"out": (2,)}), ([0, np.nan],), wanted=wanted)
    assert error.value.fault is ImageFault.NON_FINITE_OUTPUT
