"""What a card may say of detection, and what is said of one that cannot be meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.card import Card, InputSpec, parse_card, read_card
from models.detection_card import KNOWN_ANCHORS, AnchorSpec, DetectionSpec
from models.errors import ModelFault, ModelRejected

INFERRED = Card("file", "", (), "raw", InputSpec(8, 8))
OWN = {"sizes": [[8], [16, 24]], "ratios": [[], [2, 0.5]], "steps": [8, 32]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def refusal(written: dict[str, Any]) -> str:
    with pytest.raises(ModelRejected) as caught:
        read_card(parse_card(json.dumps(written)), INFERRED)
    assert caught.value.fault is ModelFault.BAD_CARD
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 400
    return caught.value.detail


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"activation": "relu"}, "none, softmax, sigmoid"),
        ({"activation": None}, "`activation`"),
        ({"threshold": 1.5}, "`threshold`"),
        ({"threshold": "0.5"}, "`threshold`"),
        ({"threshold": True}, "`threshold`"),
        ({"output": ["a"]}, "`output`"),
        ({"output": "a\nb"}, "U+000A"),
        ({"detection": []}, "`detection`"),
        ({"detection": {"bxes": "a"}}, "'bxes'"),
        ({"detection": {"boxes": {}}}, "`detection.boxes`"),
        ({"detection": {"boxes": [True]}}, "`detection.boxes`"),
        ({"detection": {"scores": "x" * 501}}, "501 characters"),
        ({"detection": {"classes": ["a", "b"]}}, "`detection.classes`"),
        ({"detection": {"count": "\x1b[31m"}}, "U+001B"),
        ({"detection": {"order": "yx"}}, "xyxy, yxyx, xywh, cxcywh, cycxhw"),
        ({"detection": {"units": "metres"}}, "shares, pixels"),
        ({"detection": {"objectness": 1}}, "`detection.objectness`"),
        ({"detection": {"background": -1}}, "`detection.background`"),
        ({"detection": {"background": 0.5}}, "`detection.background`"),
        ({"detection": {"first_label": None}}, "`detection.first_label`"),
        ({"detection": {"iou_threshold": 2}}, "`detection.iou_threshold`"),
        ({"detection": {"max_detections": 0}}, "`detection.max_detections`"),
        ({"detection": {"max_detections": 10**9}}, "`detection.max_detections`"),
        ({"detection": {"anchors": "ssd9000"}}, "ssd300, ssd512"),
        ({"detection": {"anchors": {}}}, "`detection.anchors.sizes`"),
        ({"detection": {"anchors": OWN | {"size": 1}}}, "'size'"),
        ({"detection": {"anchors": OWN | {"steps": [8]}}}, "as many"),
        ({"detection": {"anchors": OWN | {"sizes": [[8], []]}}}, "1 to 2 numbers"),
        ({"detection": {"anchors": OWN | {"sizes": [[8], [0]]}}}, "`detection.anchors.sizes`"),
        ({"detection": {"anchors": OWN | {"ratios": [[], [1] * 17]}}}, "`detection.anchors.ratios`"),
        ({"detection": {"anchors": OWN | {"steps": [8] * 10_000}}}, "`detection.anchors.steps`"),
        ({"detection": {"anchors": OWN | {"scaling": [1]}}}, "four numbers"),
        ({"detection": {"anchors": OWN | {"offset": 2}}}, "`detection.anchors.offset`"),
    ],
)
def test_a_wrong_field_is_named(written: dict[str, Any], named: str) -> None:
    assert named in refusal(written)


def test_a_full_card_is_read_and_written_back_the_same() -> None:
    anchors = AnchorSpec(((8.0,), (16.0, 24.0)), ((), (2.0, 0.5)), (8.0, 32.0), 0.25, (0.1, 0.1, 0.2, 0.2))
    detection = DetectionSpec(("b", "c"), ("s", "t"), "k", "n", "cycxhw", "pixels", True, 3, 2, 0.4, 7, anchors)
    card = Card("m", "", ("a",), "detection", InputSpec(8, 8), (), "", "sigmoid", 0.3, "o", detection)
    assert read_card(parse_card(json.dumps(card.to_json())), INFERRED) == card


def test_outputs_may_be_told_by_position_and_what_is_null_is_left_out() -> None:
    said = {"boxes": 1, "scores": ["a", 0], "classes": None, "anchors": None, "background": None}
    read = read_card({"detection": said, "output": 2}, INFERRED)
    assert read.detection == DetectionSpec(("1",), ("a", "0"))
    assert read.output == "2"
    assert read_card({"detection": None}, INFERRED) == INFERRED


@pytest.mark.parametrize("name", KNOWN_ANCHORS)
def test_default_boxes_that_are_known_need_only_their_name(name: str) -> None:
    read = read_card({"detection": {"anchors": name}}, INFERRED).detection
    assert read is not None and read.anchors == KNOWN_ANCHORS[name]


@given(
    st.dictionaries(st.sampled_from([*DetectionSpec.__dataclass_fields__]), VALUES, max_size=3),
    st.dictionaries(st.sampled_from([*AnchorSpec.__dataclass_fields__]), VALUES, max_size=5),
)
@settings(deadline=None)
def test_any_json_object_is_a_detection_or_a_bad_card(written: dict[str, Any], anchors: dict[str, Any]) -> None:
    for said in (written, {"anchors": OWN | anchors}):
        try:
            card = read_card({"detection": said}, INFERRED)
        except ModelRejected as rejection:
            assert rejection.fault is ModelFault.BAD_CARD
        else:
            assert read_card(card.to_json(), INFERRED) == card
