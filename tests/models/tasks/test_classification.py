"""How class scores become labels and probabilities."""

from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from models.card import Activation, Task
from models.errors import ImageError, ImageFault
from tests.models.tasks.manifests import told


def indices(output: object) -> list[int]:
    return [score["class_index"] for score in told("classification", output)["top"]]


def test_the_best_five_come_best_first() -> None:
    assert indices([0.1, 0.9, 0.3, 0.2, 0.5, 0.4, 0.05]) == [1, 4, 5, 2, 3]


def test_fewer_classes_give_fewer_answers() -> None:
    assert indices([0.1, 0.9]) == [1, 0]


def test_equal_scores_keep_the_order_of_the_classes() -> None:
    assert indices(np.ones(9, np.float32)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64, np.float16, np.float64, np.bool_, ml_dtypes.bfloat16])
def test_every_dtype_is_ranked_by_value(dtype: type) -> None:
    assert indices(np.array([1, 0, 1, 0]).astype(dtype)) == [0, 2, 1, 3]


def test_the_smallest_signed_number_is_the_worst() -> None:
    assert indices(np.array([-128, 3, 127], np.int8)) == [2, 1, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8, ml_dtypes.bfloat16])
@pytest.mark.parametrize("task", ["classification", "binary", "multilabel", "segmentation", "regression", "raw"])
@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_every_answer_is_strict_json(dtype: type, task: Task, activation: Activation) -> None:
    answer = told(task, np.array([[0, 1], [2, 3]]).astype(dtype), activation=activation)
    json.loads(json.dumps(answer, allow_nan=False))


def test_an_answer_names_its_label_and_its_index() -> None:
    answer = told("classification", np.array([0.25, 0.75], np.float32), labels=("cat", "dog"))
    assert (answer["label"], answer["class_index"], answer["score"]) == ("dog", 1, 0.75)
    assert [item["label"] for item in answer["top"]] == ["dog", "cat"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("task", ["classification", "binary", "multilabel", "segmentation", "regression", "raw"])
def test_what_is_not_finite_is_no_answer(value: float, task: Task) -> None:
    with pytest.raises(ImageError) as caught:
        told(task, np.array([[value, 0.0], [0.0, 0.0]]))
    assert caught.value.fault is ImageFault.NON_FINITE_OUTPUT


def test_logits_of_classes_become_probabilities_that_sum_to_one() -> None:
    answer = told("classification", np.array([1.0, 3.0, 2.0], np.float32), activation="softmax")
    expected = np.exp([3.0, 2.0, 1.0]) / np.exp([3.0, 2.0, 1.0]).sum()
    assert [item["class_index"] for item in answer["top"]] == [1, 2, 0]
    np.testing.assert_allclose([item["score"] for item in answer["top"]], expected, rtol=1e-6)


@pytest.mark.parametrize("huge", [1e30, -1e30, 800.0])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_no_logit_is_too_large(huge: float, activation: Activation) -> None:
    scores = [item["score"] for item in told("classification", [huge, 0.0], activation=activation)["top"]]
    assert all(0.0 <= score <= 1.0 for score in scores)
    if activation == "softmax":
        assert sum(scores) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("number", "card", "label", "score"),
    [
        (0.8, {}, "yes", 0.8),
        (0.2, {}, "no", 0.8),
        (0.5, {}, "yes", 0.5),
        (0.4, {"threshold": 0.3}, "yes", 0.4),
        (0.6, {"threshold": 0.7}, "no", 0.4),
        (2.0, {"activation": "sigmoid"}, "yes", 1 / (1 + np.exp(-2.0))),
        (-2.0, {"activation": "sigmoid"}, "no", 1 / (1 + np.exp(-2.0))),
    ],
)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_is_the_probability_of_the_second_of_two_labels(
    number: float, card: dict[str, Any], label: str, score: float, shape: tuple[int, ...]
) -> None:
    answer = told("binary", np.full(shape, number), labels=("no", "yes"), **card)
    assert answer["label"] == label == answer["top"][0]["label"]
    assert answer["score"] == pytest.approx(score)
    assert answer["class_index"] == ("no", "yes").index(label)
    assert sum(item["score"] for item in answer["top"]) == pytest.approx(1.0)
    assert len(answer["top"]) == 2


def test_independent_scores_give_every_label_from_the_threshold_on_best_first() -> None:
    scores = np.array([0.5, 0.9, 0.49, 0.7])
    answer = told("multilabel", scores, labels=("a", "b", "c", "d"))
    assert [(item["label"], item["class_index"], item["score"]) for item in answer["labels"]] == [
        ("b", 1, 0.9),
        ("d", 3, 0.7),
        ("a", 0, 0.5),
    ]
    assert [item["label"] for item in told("multilabel", scores, threshold=0.8)["labels"]] == ["1"]


def test_an_image_may_have_no_label_or_more_than_five() -> None:
    assert told("multilabel", np.zeros(9)) == {"labels": []}
    assert len(told("multilabel", np.ones(9))["labels"]) == 9


def test_independent_logits_become_independent_probabilities() -> None:
    answer = told("multilabel", np.array([0.0, 3.0, -3.0]), activation="sigmoid")
    assert [item["class_index"] for item in answer["labels"]] == [1, 0]
    assert [item["score"] for item in answer["labels"]] == pytest.approx([1 / (1 + np.exp(-3.0)), 0.5])


def test_of_several_outputs_the_named_one_tells_the_classes() -> None:
    answer = told("classification", np.zeros(2), np.array([0.1, 0.9]), output="out1")
    assert answer["class_index"] == 1


def test_a_raw_answer_is_all_its_values_in_order() -> None:
    assert told("raw", np.array([[1.0, 2.0], [3.0, 4.0]])) == {"values": [1.0, 2.0, 3.0, 4.0]}


def test_several_outputs_are_told_by_their_names() -> None:
    assert told("raw", np.array([1.5, 2.0]), np.array(3)) == {"outputs": {"out0": [1.5, 2.0], "out1": [3.0]}}
