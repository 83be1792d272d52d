"""How a model's numbers become boxes on the original image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.card import Card, Fit, InputSpec
from models.detection_card import KNOWN_ANCHORS, DetectionSpec
from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.images.fitting import fit_image
from models.tasks import Detections, interpret
from models.tasks.probed import ProbedOutput
from models.tasks.reading import read_off
from tests.models.tasks import ssd
from tests.models.tasks.manifests import IMAGE, manifest_of, meaning

FINAL = DetectionSpec(("boxes",), ("scores",), "classes")


def found(how: DetectionSpec, outputs: dict[str, Any], image: Raster = IMAGE, **card: Any) -> list[dict[str, Any]]:
    arrays = {name: np.asarray(output) for name, output in outputs.items()}
    answer = meaning("detection", arrays, image, detection=how, **card)
    assert isinstance(answer, Detections)
    return answer.to_json()["detections"]


def boxes_of(detections: list[dict[str, Any]]) -> list[list[float]]:
    return [[round(value, 5) for value in each["box"]] for each in detections]


def test_final_boxes_come_best_first_with_their_labels() -> None:
    outputs = {
        "boxes": [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.9, 1.0], [0, 0, 1, 1], [0, 0, 0, 0]],
        "scores": [0.6, 0.9, 0.49, 0.0],
        "classes": [0.0, 1.0, 1.0, 0.0],
    }
    assert found(FINAL, outputs, labels=("cat", "dog")) == [
        {"label": "dog", "class_index": 1, "score": 0.9, "box": [0.5, 0.5, 0.9, 1.0]},
        {"label": "cat", "class_index": 0, "score": 0.6, "box": [0.1, 0.2, 0.3, 0.4]},
    ]


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("xyxy", [0.1, 0.2, 0.5, 0.8]),
        ("yxyx", [0.2, 0.1, 0.8, 0.5]),
        ("xywh", [0.1, 0.2, 0.4, 0.6]),
        ("cxcywh", [0.3, 0.5, 0.4, 0.6]),
        ("cycxhw", [0.5, 0.3, 0.6, 0.4]),
    ],
)
@pytest.mark.parametrize("units", ["shares", "pixels"])
def test_a_box_is_the_same_in_whatever_order_and_units_it_is_written(order: Any, numbers: Any, units: Any) -> None:
    across = (8, 200) if units == "pixels" else (1, 1)
    scale = np.array(across * 2 if order in ("xyxy", "xywh", "cxcywh") else across[::-1] * 2)
    spec = DetectionSpec(("boxes",), ("scores",), order=order, units=units)
    outputs = {"boxes": [np.array(numbers) * scale], "scores": [0.9]}
    image = Raster(np.zeros((200, 8, 3), np.uint8))
    assert boxes_of(found(spec, outputs, image, spec=InputSpec(200, 8))) == [[0.1, 0.2, 0.5, 0.8]]


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(120, 200), (200, 120), (160, 160)])
def test_boxes_lie_on_the_original_image_however_it_was_fitted(fit: Fit, size: tuple[int, int]) -> None:
    height, width = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height * 2 // 5 : height * 3 // 5, width // 2 : width * 3 // 5] = 255
    image, spec = Raster(pixels), InputSpec(96, 144, fit=fit)

    seen = fit_image(image, spec.height, spec.width, fit, 3)[..., 0] > 127
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    outputs = {"boxes": [box], "scores": [0.9]}
    (answer,) = found(DetectionSpec(("boxes",), ("scores",), units="pixels"), outputs, image, spec=spec)

    np.testing.assert_allclose(answer["box"], [0.5, 0.4, 0.6, 0.6], atol=0.02)


def test_what_lies_outside_the_image_is_cut_off_and_what_is_all_outside_is_none() -> None:
    image, spec = Raster(np.zeros((50, 100, 3), np.uint8)), InputSpec(100, 100, fit="pad")
    outputs = {"boxes": [[-0.2, 0.0, 0.5, 1.2], [0.0, 0.0, 1.0, 0.2]], "scores": [0.9, 0.8]}
    assert boxes_of(found(DetectionSpec(("boxes",), ("scores",)), outputs, image, spec=spec)) == [[0, 0, 0.5, 1]]


def test_only_as_many_boxes_count_as_the_model_says() -> None:
    spec = DetectionSpec(("boxes",), ("scores",), "classes", "count")
    outputs = {"boxes": [[0, 0, 1, 1]] * 3, "scores": [0.9, 0.8, 0.7], "classes": [3, 1, 2], "count": [2.0]}
    assert [each["class_index"] for each in found(spec, outputs)] == [3, 1]
    for none in (0, -1):
        assert found(spec, outputs | {"count": [none]}) == []


def test_the_background_and_classes_below_zero_are_nothing() -> None:
    outputs = {"boxes": [[0, 0, 1, 1]] * 3, "scores": [0.9] * 3, "classes": [0, -1, 2]}
    spec = DetectionSpec(("boxes",), ("scores",), "classes", background=0, first_label=1)
    assert [each["label"] for each in found(spec, outputs, labels=("cat", "dog"))] == ["dog"]
    matrix = DetectionSpec(("boxes",), ("scores",), background=2)
    scores = [[0.1, 0.7, 0.2], [0.1, 0.1, 0.8]]
    assert [each["class_index"] for each in found(matrix, {"boxes": [[0, 0, 1, 1]] * 2, "scores": scores})] == [1]


def test_a_class_that_no_label_names_is_told_by_its_index() -> None:
    outputs = {"boxes": [[0, 0, 1, 1]] * 2, "scores": [0.9, 0.8], "classes": [7, 0]}
    spec = DetectionSpec(("boxes",), ("scores",), "classes", first_label=1)
    assert [each["label"] for each in found(spec, outputs, labels=("cat",))] == ["7", "0"]


def test_boxes_of_a_class_that_overlap_give_way_where_a_threshold_says_so() -> None:
    outputs = {"boxes": [[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.48]], "scores": [[0.7, 0.2], [0.9, 0.6]]}
    both = DetectionSpec(("boxes",), ("scores",))
    assert [(each["class_index"], each["score"]) for each in found(both, outputs)] == [(0, 0.9), (0, 0.7), (1, 0.6)]
    best = DetectionSpec(("boxes",), ("scores",), iou_threshold=0.5)
    assert [(each["class_index"], each["score"]) for each in found(best, outputs)] == [(0, 0.9), (1, 0.6)]


def test_there_are_no_more_detections_than_the_card_allows() -> None:
    outputs = {"boxes": [[0, 0, 1, 1]] * 150, "scores": np.linspace(0.5, 0.9, 150)}
    answers = found(DetectionSpec(("boxes",), ("scores",)), outputs)
    assert len(answers) == 100
    assert answers[0]["score"] == 0.9
    assert len(found(DetectionSpec(("boxes",), ("scores",), max_detections=7), outputs)) == 7


def test_logits_become_probabilities_before_they_are_held_against_the_threshold() -> None:
    outputs = {"boxes": [[0, 0, 1, 1]] * 2, "scores": [0.4, -0.4]}
    (answer,) = found(DetectionSpec(("boxes",), ("scores",)), outputs, activation="sigmoid")
    assert answer["score"] == pytest.approx(1 / (1 + np.exp(-0.4)))


def test_filled_up_boxes_are_nothing_even_at_a_threshold_of_zero() -> None:
    outputs = {"boxes": [[0, 0, 1, 1]] * 3, "scores": [0.1, 0.0, -1.0]}
    for spec in (DetectionSpec(("boxes",), ("scores",)), DetectionSpec(("boxes",), ("scores",), iou_threshold=1.0)):
        assert len(found(spec, outputs, threshold=0.0)) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("output", ["boxes", "scores"])
def test_what_is_not_finite_is_no_answer(value: float, output: str) -> None:
    outputs: dict[str, Any] = {"boxes": [[0.0, 0.0, 1.0, 1.0]], "scores": [0.9]}
    outputs[output] = np.full_like(np.asarray(outputs[output]), value)
    with pytest.raises(ImageError) as caught:
        found(DetectionSpec(("boxes",), ("scores",)), outputs)
    assert caught.value.fault is ImageFault.NON_FINITE_OUTPUT


@pytest.mark.parametrize("standing", [True, False])
@pytest.mark.parametrize("objectness", [True, False])
def test_rows_of_yolo_are_boxes_and_scores_in_one(standing: bool, objectness: bool) -> None:
    rows = np.zeros((40, 7 + objectness))
    rows[:, :4] = 16, 16, 8, 8
    rows[5, 4:] = [0.9, 0.1, 0.8, 0.2] if objectness else [0.1, 0.8, 0.2]
    spec = DetectionSpec(("rows",), ("rows",), order="cxcywh", units="pixels", objectness=objectness)
    outputs = {"rows": rows if standing else rows.T}
    (answer,) = found(spec, outputs, labels=("a", "b", "c"), spec=InputSpec(32, 32))
    assert (answer["label"], round(answer["score"], 6)) == ("b", 0.72 if objectness else 0.8)
    assert answer["box"] == [0.375, 0.375, 0.625, 0.625]


def test_final_rows_tell_score_and_class_behind_the_box() -> None:
    rows = [[4, 4, 8, 16, 0.9, 3], [0, 0, 32, 32, 0.3, 1]]
    spec = DetectionSpec(("rows",), ("rows",), "rows", units="pixels")
    (answer,) = found(spec, {"rows": [rows]}, spec=InputSpec(32, 32))
    assert answer == {"label": "3", "class_index": 3, "score": 0.9, "box": [0.125, 0.125, 0.25, 0.5]}


PLANTED = [
    ssd.Planted(0, 30, 5, 3, (2.0, -3.0, 1.0, -2.0), 7),
    ssd.Planted(1, 4, 12, 5, (-1.0, 1.0, 2.0, 1.0), 20),
    ssd.Planted(2, 8, 2, 0, (0.0, 0.0, 0.0, 0.0), 1),
    ssd.Planted(4, 1, 1, 1, (1.0, 2.0, -3.0, -1.0), 7),
    ssd.Planted(5, 0, 0, 2, (0.5, -0.5, -4.0, 1.0), 12),
]
SSD_CARD = Card("m", "", (), "raw", InputSpec(300, 300))


def arranged(how: str) -> dict[str, np.ndarray]:
    """The heads of an SSD as exporters leave them."""
    outputs = ssd.heads(PLANTED)
    match how:
        case "logits":
            return outputs
        case "probabilities":
            return {name: ssd.softmax(each) if "logits" in name else each for name, each in outputs.items()}
        case "any order":
            return {str(name): outputs[name] for name in np.random.default_rng(9).permutation(list(outputs))}
        case "flat":
            return {name: each.reshape(-1, each.shape[-1]) for name, each in outputs.items()}
        case "of convolutions":
            return {name: each.reshape(*each.shape[:2], -1) for name, each in outputs.items()}
        case _:
            names = ("logits", "location")
            parts = {name: [each for key, each in outputs.items() if name in key] for name in names}
            return {name: np.concatenate([each.reshape(-1, each.shape[-1]) for each in parts[name]]) for name in names}


@pytest.mark.parametrize(
    "how", ["logits", "probabilities", "any order", "flat", "of convolutions", "all feature maps in one"]
)
def test_the_outputs_of_an_ssd_vgg_are_the_boxes_that_its_default_boxes_mean(how: str) -> None:
    outputs = arranged(how)
    ending = "Softmax" if how == "probabilities" else "BiasAdd"
    probed = [ProbedOutput(name, each[None], "BiasAdd" if "loc" in name else ending) for name, each in outputs.items()]
    card = read_off(probed, SSD_CARD, {}).card
    assert card.task == "detection"
    assert card.detection is not None
    assert card.detection.anchors == KNOWN_ANCHORS["ssd300"]
    assert card.activation == ("none" if how == "probabilities" else "softmax")

    shapes = {name: each.shape for name, each in outputs.items()}
    manifest = replace(manifest_of("detection", shapes, card.input), card=card)
    answer = interpret(tuple(outputs.values()), manifest, IMAGE)

    assert isinstance(answer, Detections)
    expected = {(each.label, tuple(np.clip(ssd.corners(each), 0, 1).round(5))) for each in PLANTED}
    assert {(each.found.class_index, tuple(np.round(each.box, 5))) for each in answer.detections} == expected
    assert all(each.found.score > 0.999 for each in answer.detections)
