"""Which outputs of a detection are what, told by their names, shapes and numbers, and by the card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.card import InputSpec
from models.detection_card import KNOWN_ANCHORS, DetectionSpec
from models.errors import ModelFault
from tests.models.rejections import rejection
from tests.models.tasks.test_reading import indices, logits, named, shares, within

SPEC = InputSpec(64, 64)


def corners(*shape: int, most: float = 1.0) -> NDArray[Any]:
    low = within(*shape, 2) * most / 2
    return np.concatenate([low, low + within(*shape, 2) * most / 2], axis=-1)


def detection(*outputs: tuple[str, NDArray[Any], str | None], **card: Any) -> DetectionSpec:
    said = named(*outputs, spec=card.pop("spec", SPEC), **card).card
    assert said.task == "detection"
    assert said.detection is not None
    return said.detection


FINAL = ("boxes", corners(20), "Mul"), ("scores", within(20), "Sigmoid"), ("classes", indices(20), "Cast")


def test_boxes_scores_and_classes_are_found_by_their_names_in_any_order() -> None:
    for outputs in (FINAL, FINAL[::-1], (FINAL[1], FINAL[2], FINAL[0])):
        found = detection(*outputs)
        assert (found.boxes, found.scores, found.classes) == (("boxes",), ("scores",), "classes")
        assert (found.order, found.units, found.iou_threshold, found.background) == ("xyxy", "shares", None, None)


def test_boxes_scores_and_classes_are_found_by_their_shapes_and_numbers() -> None:
    for classes in (indices(20), indices(20).astype(np.float32)):
        found = detection(("a", within(20), None), ("b", classes, None), ("c", corners(20, most=64), None))
        assert (found.boxes, found.scores, found.classes, found.units) == (("c",), ("a",), "b", "pixels")


def test_boxes_with_a_score_for_each_class_are_suppressed() -> None:
    found = detection(("a", corners(20), None), ("b", shares(20, 7), "Softmax"))
    assert (found.boxes, found.scores, found.classes) == (("a",), ("b",), "")
    assert (found.iou_threshold, found.background) == (0.5, None)


def test_labels_tell_whether_the_first_class_is_the_background() -> None:
    outputs = ("boxes", corners(20), "Mul"), ("scores", shares(20, 3), "Softmax")
    assert detection(*outputs, labels=["background", "cat", "dog"]).background == 0
    without = detection(*outputs, labels=["cat", "dog"])
    assert (without.background, without.first_label) == (0, 1)
    all_named = detection(*outputs, labels=["emu", "cat", "dog"])
    assert (all_named.background, all_named.first_label) == (None, 0)
    assert detection(*outputs, labels=["cat", "dog", "N/A"]).background == 2
    refused = rejection(lambda: detection(*outputs, labels=["a"]))
    assert refused.fault is ModelFault.LABELS_MISMATCH


def test_the_object_detection_api_is_known_by_its_names() -> None:
    found = detection(
        ("detection_anchor_indices:0", within(20), None),
        ("detection_boxes:0", corners(20), None),
        ("detection_classes:0", np.ones((4, 20), np.float32), None),
        ("detection_multiclass_scores:0", shares(20, 91), None),
        ("detection_scores:0", within(20), None),
        ("num_detections:0", np.full(4, 20.0, np.float32), None),
        ("raw_detection_boxes:0", corners(500), None),
        ("raw_detection_scores:0", shares(500, 91), None),
        labels=["person", "bicycle"],
    )
    assert (found.boxes, found.scores) == (("detection_boxes:0",), ("detection_scores:0",))
    assert (found.classes, found.count) == ("detection_classes:0", "num_detections:0")
    assert (found.order, found.units, found.background, found.first_label) == ("yxyx", "shares", 0, 1)


def test_detr_is_known_by_its_names() -> None:
    card = named(("logits", logits(100, 92), "BiasAdd"), ("pred_boxes", within(100, 4), "Sigmoid"), spec=SPEC).card
    assert card.detection is not None
    assert (card.detection.order, card.detection.units, card.detection.background) == ("cxcywh", "shares", 91)
    assert card.activation == "softmax"


def test_boxes_that_are_no_corners_are_centres_and_sizes() -> None:
    boxes = np.array([[0.5, 0.5, 0.2, 0.1], [0.9, 0.9, 0.1, 0.1]] * 10)[None].repeat(4, axis=0)
    assert detection(("boxes", boxes, "Sigmoid"), ("scores", within(20), "Sigmoid")).order == "cxcywh"


def test_a_box_and_a_class_for_the_whole_image_are_a_detection_only_where_the_card_says_so() -> None:
    outputs = ("bounding_box", within(4), "Sigmoid"), ("label", shares(3), "Softmax")
    assert named(*outputs, spec=SPEC).card.task == "raw"
    found = detection(*outputs, task="detection", detection={"scores": "label"})
    assert (found.boxes, found.scores) == (("bounding_box",), ("label",))


def test_the_card_says_which_output_is_what_by_name_or_position() -> None:
    outputs = ("a", within(20), "Sigmoid"), ("b", corners(20), "Mul"), ("c", within(20), "Sigmoid")
    assert named(*outputs, spec=SPEC).card.task == "raw"
    for boxes, scores, classes in (("b", "c", "a"), (1, 2, 0), (["b"], ["c"], "a")):
        found = detection(*outputs, detection={"boxes": boxes, "scores": scores, "classes": classes})
        assert (found.boxes, found.scores, found.classes) == (("b",), ("c",), "a")


def test_the_card_says_how_boxes_are_written() -> None:
    said = {"order": "cycxhw", "units": "pixels", "iou_threshold": 0.3, "max_detections": 5, "background": 2}
    found = detection(FINAL[0], ("scores", shares(20, 4), "Softmax"), detection=said)
    assert {name: getattr(found, name) for name in said} == said
    never = detection(FINAL[0], ("scores", shares(20, 4), "Softmax"), detection={"iou_threshold": None})
    assert never.iou_threshold is None


@pytest.mark.parametrize(
    ("shape", "labels", "objectness", "classes"),
    [
        ((7, 200), 0, False, 3),
        ((200, 8), 0, True, 3),
        ((7, 200), 3, False, 3),
        ((200, 7), 3, False, 3),
        ((8, 200), 3, True, 3),
        ((6, 200), 1, True, 1),
        ((6, 200), 2, False, 2),
    ],
)
def test_rows_of_yolo_need_no_more_than_the_task(
    shape: tuple[int, int], labels: int, objectness: bool, classes: int
) -> None:
    rows = within(*shape) * 64
    found = detection(("output0", rows, "Concat"), task="detection", labels=[str(i) for i in range(labels)])
    assert (found.boxes, found.scores, found.objectness) == (("output0",), ("output0",), objectness)
    assert (found.order, found.units, found.iou_threshold) == ("cxcywh", "pixels", 0.5)


def test_rows_of_six_that_end_with_a_class_are_final() -> None:
    rows = np.concatenate([corners(300, most=64), within(300, 1), indices(300, 1)], axis=-1)
    found = detection(("output0", rows, "Concat"), task="detection")
    assert (found.classes, found.order, found.units) == ("output0", "xyxy", "pixels")
    assert found.iou_threshold is None


def test_default_boxes_may_be_the_cards_own() -> None:
    own = {"sizes": [[8], [16, 24]], "ratios": [[], [2, 0.5]], "steps": [8, 32], "offset": 0.25}
    outputs = (
        ("c0", logits(8, 8, 1, 5), "Conv"),
        ("b0", logits(8, 8, 1, 4), "Conv"),
        ("c1", logits(2, 2, 4, 5), "Conv"),
        ("b1", logits(2, 2, 4, 4), "Conv"),
    )
    found = detection(*outputs, detection={"anchors": own})
    assert (found.boxes, found.scores, found.background) == (("b0", "b1"), ("c0", "c1"), 0)
    assert found.anchors is not None and found.anchors.offset == 0.25
    refused = rejection(lambda: detection(*outputs, detection={"anchors": own | {"steps": [8, 16]}, "boxes": "b0"}))
    assert refused.fault is ModelFault.WRONG_OUTPUT


def test_four_classes_are_told_from_four_numbers_by_name_or_ending() -> None:
    own = {"sizes": [[8]], "ratios": [[]], "steps": [8]}
    named_so = detection(
        ("cls", logits(8, 8, 1, 4), None), ("loc", logits(8, 8, 1, 4), None), detection={"anchors": own}
    )
    assert named_so.boxes == ("loc",)
    made_so = detection(("x", shares(64, 4), "Softmax"), ("y", logits(64, 4), "BiasAdd"), detection={"anchors": own})
    assert made_so.boxes == ("y",)


@pytest.mark.parametrize("name", KNOWN_ANCHORS)
def test_default_boxes_that_are_known_may_be_called_by_name(name: str) -> None:
    side = int(KNOWN_ANCHORS[name].steps[-1])
    number = {"ssd300": 8732, "ssd512": 24564}[name]
    outputs = ("loc", logits(number, 4), "Concat"), ("conf", logits(number, 21), "Concat")
    for card in ({}, {"detection": {"anchors": name}}):
        found = detection(*outputs, spec=InputSpec(side, side), **card)
        assert found.anchors == KNOWN_ANCHORS[name]
        assert (found.iou_threshold, found.background, found.order) == (0.45, 0, "cxcywh")


@pytest.mark.parametrize(
    ("said", "fault", "shown"),
    [
        ({"boxes": "bxes"}, ModelFault.BAD_CARD, "`detection.boxes`"),
        ({"scores": 3}, ModelFault.BAD_CARD, "`detection.scores`"),
        ({"classes": "x" * 400}, ModelFault.BAD_CARD, "`detection.classes`"),
        ({"boxes": "scores", "scores": "classes"}, ModelFault.WRONG_OUTPUT, "do not go together"),
        ({"boxes": "scores"}, ModelFault.WRONG_OUTPUT, "four numbers"),
        ({"classes": "boxes"}, ModelFault.WRONG_OUTPUT, "do not go together"),
        ({"count": "scores"}, ModelFault.WRONG_OUTPUT, "do not go together"),
        ({"anchors": "ssd300"}, ModelFault.WRONG_OUTPUT, "default boxes"),
    ],
)
def test_a_card_that_contradicts_the_outputs_is_refused(said: dict[str, Any], fault: ModelFault, shown: str) -> None:
    refused = rejection(lambda: named(*FINAL, spec=SPEC, detection=said))
    assert refused.fault is fault
    assert shown in refused.detail
    assert len(refused.detail) < 500


def test_a_background_that_is_no_class_is_refused() -> None:
    outputs = FINAL[0], ("scores", shares(20, 4), "Softmax")
    refused = rejection(lambda: named(*outputs, spec=SPEC, detection={"background": 4}))
    assert refused.fault is ModelFault.BAD_CARD
