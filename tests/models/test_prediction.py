"""How a model's output becomes a prediction."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest

from models.card import Card, InputSpec, Task
from models.errors import ImageError, ImageFault
from models.prediction import interpret


def card(task: Task = "classification", *labels: str) -> Card:
    return Card("m", "", labels, task, InputSpec(1, 1))


def indices(output: object) -> list[int]:
    return [score.class_index for score in interpret((np.asarray(output),), card()).top]


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
@pytest.mark.parametrize("task", ["classification", "regression", "raw"])
def test_every_answer_is_strict_json(dtype: type, task: Task) -> None:
    answer = interpret((np.array([[0, 1], [2, 3]]).astype(dtype),), card(task)).to_json()
    json.loads(json.dumps(answer, allow_nan=False))


def test_an_answer_names_its_label_and_its_index() -> None:
    answer = interpret((np.array([0.25, 0.75], np.float32),), card("classification", "cat", "dog")).to_json()
    assert answer["label"] == "dog"
    assert answer["class_index"] == 1
    assert answer["score"] == 0.75
    assert [item["label"] for item in answer["top"]] == ["dog", "cat"]


def test_a_raw_answer_is_all_its_values_in_order() -> None:
    assert interpret((np.array([[1.0, 2.0], [3.0, 4.0]]),), card("raw")).to_json() == {"values": [1.0, 2.0, 3.0, 4.0]}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_no_answer(value: float) -> None:
    with pytest.raises(ImageError) as caught:
        interpret((np.array([0.0, value]),), card())
    assert caught.value.fault is ImageFault.NON_FINITE_OUTPUT
