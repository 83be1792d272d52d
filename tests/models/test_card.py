"""What a model card may say, and what is said of one that cannot be meant."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.card import Card, InputSpec, parse_card, read_card
from models.errors import ModelFault, ModelRejected

INFERRED = Card("file", "", (), "classification", InputSpec(8, 8))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from([*Card.__dataclass_fields__, *InputSpec.__dataclass_fields__])


def refusal(written: Any) -> str:
    text = written if isinstance(written, str | bytes) else json.dumps(written)
    with pytest.raises(ModelRejected) as caught:
        read_card(parse_card(text), INFERRED)
    assert caught.value.fault is ModelFault.BAD_CARD
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 300
    return caught.value.detail


def test_a_model_without_a_card_gets_the_inferred_one() -> None:
    assert read_card({}, INFERRED) == INFERRED


def test_a_full_card_is_read_and_written_back_the_same() -> None:
    spec = InputSpec(4, 6, 3, "NCHW", 1.0, (1.0, 2.0, 3.0), (0.5, 0.5, 0.5), "crop", "BGR")
    card = Card("Größe 猫 👩‍💻", "2", ("a", "b"), "raw", spec, ("x",), "two\nlines")
    assert read_card(parse_card(json.dumps(card.to_json())), INFERRED) == card


def test_a_number_will_do_as_a_version() -> None:
    assert read_card({"version": 7}, INFERRED).version == "7"


def test_an_empty_name_is_the_name_of_the_file() -> None:
    assert read_card({"name": "  "}, INFERRED).name == "file"


def test_one_mean_may_serve_all_channels() -> None:
    assert read_card({"input": {"mean": 0.5, "scale": -1}}, INFERRED).input.mean == (0.5,)


@pytest.mark.parametrize(
    ("written", "channels", "color"),
    [
        ({}, 3, "RGB"),
        ({"channels": 1}, 1, "grey"),
        ({"color": "grey"}, 1, "grey"),
        ({"color": "grey", "channels": 1}, 1, "grey"),
        ({"color": "BGR"}, 3, "BGR"),
        ({"color": "RGB", "channels": 3}, 3, "RGB"),
    ],
)
def test_color_and_channels_follow_from_each_other(written: dict[str, Any], channels: int, color: str) -> None:
    spec = read_card({"input": written}, INFERRED).input
    assert (spec.channels, spec.color) == (channels, color)


def test_a_grey_model_whose_card_says_three_channels_gets_them_in_red_green_blue() -> None:
    grey = replace(INFERRED, input=InputSpec(8, 8, 1))
    assert grey.input.color == "grey"
    assert read_card({}, grey).input == grey.input
    assert read_card({"input": {"channels": 3}}, grey).input == INFERRED.input


def test_labels_are_indices_where_the_card_names_none() -> None:
    assert INFERRED.label(2) == "2"


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("[1]", "JSON object"),
        ("{", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        ('{"input": {"scale": NaN}}', "NaN"),
        ('{"input": {"scale": -Infinity}}', "Infinity"),
        ('{"name": "a", "name": "b"}', "given twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"version": ' + "1" * 5000 + "}", "not JSON"),
        ('{"input": {"scale": 1e999}}', "scale"),
        ('{"input": {"scale": 1' + "0" * 400 + "}}", "scale"),
        ('{"name": "' + "x" * (5 << 20) + '"}', "larger than"),
        ('{"name": "' + "ü" * (3 << 20) + '"}', "larger than"),
    ],
)
def test_hostile_json_is_a_bad_card(written: str | bytes, named: str) -> None:
    assert named in refusal(written)


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ({"labls": []}, "'labls'"),
        ({"x" * 10_000: 1}, "unknown field"),
        ({"input": {"hieght": 1}}, "'hieght'"),
        ({"input": 3}, "`input`"),
        ({"input": None}, "`input`"),
        ({"labels": "abc"}, "`labels`"),
        ({"labels": None}, "`labels`"),
        ({"labels": [1]}, "`labels`"),
        ({"labels": ["\ud800"]}, "U+D800"),
        ({"labels": ["a\nb"]}, "U+000A"),
        ({"labels": ["x" * 501]}, "501 characters"),
        ({"tags": ["\x1b[31m"]}, "U+001B"),
        ({"name": "two\nlines"}, "U+000A"),
        ({"name": "x" * 257}, "256"),
        ({"name": 3}, "`name`"),
        ({"version": True}, "`version`"),
        ({"description": "\udfff"}, "U+DFFF"),
        ({"task": "guessing"}, "classification, binary, multilabel, segmentation, detection, regression, raw"),
        ({"task": ["raw"] * 10_000}, "`task`"),
        ({"input": {"layout": "NHCW"}}, "NHWC, NCHW"),
        ({"input": {"fit": "squeeze\n"}}, "stretch, crop, pad"),
        ({"input": {"color": "bgr"}}, "RGB, BGR, grey"),
        ({"input": {"color": "grey", "channels": 3}}, "`input.color` grey contradicts `input.channels` 3"),
        ({"input": {"color": "BGR", "channels": 1}}, "`input.color` BGR contradicts `input.channels` 1"),
        ({"input": {"color": "grey", "mean": [1, 2, 3]}}, "3 numbers for 1 channels"),
        ({"input": {"height": 0}}, "`input.height`"),
        ({"input": {"height": 8193}}, "`input.height`"),
        ({"input": {"height": 1.5}}, "whole number"),
        ({"input": {"width": True}}, "whole number"),
        ({"input": {"channels": 4}}, "1 and 3"),
        ({"input": {"channels": int("9" * 3000)}}, "1 and 3"),
        ({"input": {"scale": 0}}, "`input.scale`"),
        ({"input": {"scale": 1e-40}}, "`input.scale`"),
        ({"input": {"scale": "1"}}, "`input.scale`"),
        ({"input": {"std": 0}}, "`input.std`"),
        ({"input": {"std": -1}}, "`input.std`"),
        ({"input": {"std": 1e300}}, "`input.std`"),
        ({"input": {"std": [1e-40, 1, 1]}}, "`input.std`"),
        ({"input": {"mean": [1, 2]}}, "2 numbers for 3 channels"),
        ({"input": {"mean": [[1]]}}, "`input.mean`"),
    ],
)
def test_a_wrong_field_is_named(written: dict[str, Any], named: str) -> None:
    assert named in refusal(written)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(FIELDS, JSON, max_size=3), st.dictionaries(FIELDS, JSON, max_size=3))
def test_any_json_object_is_a_card_or_a_bad_card(card: dict[str, Any], its_input: dict[str, Any]) -> None:
    try:
        read = read_card(card | {"input": its_input}, INFERRED)
    except ModelRejected as rejection:
        assert rejection.fault is ModelFault.BAD_CARD
        assert rejection.detail.isprintable()
    else:
        json.dumps(read.to_json(), ensure_ascii=False).encode()
