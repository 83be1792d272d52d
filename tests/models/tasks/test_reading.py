"""What a model's task is, told by its outputs and by what its card says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.card import Card, InputSpec, read_card
from models.errors import ModelFault
from models.tasks.probed import ProbedOutput
from models.tasks.reading import Reading, read_off
from models.tasks.training import Loss
from tests.models.rejections import rejection

CHANCE = np.random.default_rng(11)
Shape = tuple[int, ...]


def logits(*shape: int) -> NDArray[Any]:
    return CHANCE.normal(0, 3, (4, *shape)).astype(np.float32)


def within(*shape: int) -> NDArray[Any]:
    return CHANCE.random((4, *shape)).astype(np.float32)


def shares(*shape: int, axis: int = -1) -> NDArray[Any]:
    values = within(*shape)
    return values / values.sum(axis=axis, keepdims=True)


def indices(*shape: int, most: int = 5) -> NDArray[Any]:
    return CHANCE.integers(0, most, (4, *shape))


def reading(*outputs: tuple[NDArray[Any], str | None], spec: InputSpec = InputSpec(32, 32), **card: Any) -> Reading:  # noqa: B008
    return named(*((f"out{i}", *output) for i, output in enumerate(outputs)), spec=spec, **card)


def named(*outputs: tuple[str, NDArray[Any], str | None], spec: InputSpec = InputSpec(32, 32), **card: Any) -> Reading:  # noqa: B008
    draft = read_card(card, Card("m", "", (), "raw", spec))
    return read_off([ProbedOutput(*output) for output in outputs], draft, card)


@pytest.mark.parametrize(
    ("values", "ending", "task", "activation"),
    [
        (shares(10), "Softmax", "classification", "none"),
        (logits(10), "BiasAdd", "classification", "softmax"),
        (logits(10), "LogSoftmax", "classification", "softmax"),
        (logits(2), "Gemm", "classification", "softmax"),
        (within(10), "BiasAdd", "classification", "softmax"),
        (shares(10), "RealDiv", "classification", "none"),
        (within(10), "Sigmoid", "multilabel", "none"),
        (within(10), "Mul", "multilabel", "none"),
        (shares(1, 1, 10), "Softmax", "classification", "none"),
        (shares(10, 1, 1, axis=1), "Softmax", "classification", "none"),
        (within(1), "Sigmoid", "binary", "none"),
        (within(), "Sigmoid", "binary", "none"),
        (within(1), "Softmax", "binary", "none"),
        (within(1), "BiasAdd", "regression", "none"),
        (within(1), "Relu", "regression", "none"),
        (logits(1), "BiasAdd", "regression", "none"),
        (indices(1), "ArgMax", "raw", "none"),
        (indices(), "ArgMax", "raw", "none"),
        (shares(32, 32, 5), "Softmax", "segmentation", "none"),
        (logits(16, 16, 5), "BiasAdd", "segmentation", "softmax"),
        (logits(5, 16, 16), "Conv", "segmentation", "softmax"),
        (shares(5, 16, 16, axis=1), "Mul", "segmentation", "none"),
        (within(32, 32, 7), "Sigmoid", "segmentation", "none"),
        (within(32, 32, 1), "Sigmoid", "segmentation", "none"),
        (within(1, 32, 32), "Sigmoid", "segmentation", "none"),
        (indices(32, 32), "ArgMax", "segmentation", "none"),
        (indices(32, 32, 1), "ArgMax", "segmentation", "none"),
        (indices(32, 32, most=10_000), "ArgMax", "raw", "none"),
        (within(32, 32, 3), "Sigmoid", "raw", "none"),
        (within(32, 32, 3), "Tanh", "raw", "none"),
        (logits(32, 32, 1), "BiasAdd", "raw", "none"),
        (within(16, 16, 512), "Relu", "raw", "none"),
        (logits(16, 16, 512), "BiasAdd", "raw", "none"),
        (logits(16, 24, 5), "BiasAdd", "raw", "none"),
        (logits(4, 7, 5, 3), "BiasAdd", "raw", "none"),
    ],
)
def test_a_model_without_a_card_has_the_task_that_its_output_tells(
    values: NDArray[Any], ending: str, task: str, activation: str
) -> None:
    card = reading((values, ending)).card
    assert (card.task, card.activation) == (task, activation)


@pytest.mark.parametrize(
    ("values", "ending", "loss", "card", "task", "activation"),
    [
        (logits(1), "BiasAdd", "BinaryCrossentropy", {}, "binary", "sigmoid"),
        (logits(1), "BiasAdd", "binary_focal_crossentropy", {}, "binary", "sigmoid"),
        (logits(1), "BiasAdd", "mse", {}, "regression", "none"),
        (within(1), "Sigmoid", "mse", {}, "binary", "none"),
        (logits(4), "BiasAdd", "binary_crossentropy", {}, "multilabel", "sigmoid"),
        (logits(4), "BiasAdd", "BinaryCrossentropy", {"labels": [*"abcd"]}, "multilabel", "sigmoid"),
        (logits(4), "BiasAdd", "SparseCategoricalCrossentropy", {}, "classification", "softmax"),
        (logits(4), "BiasAdd", "MeanSquaredError", {}, "regression", "none"),
        (logits(4), "BiasAdd", "MeanSquaredError", {"labels": [*"abcd"]}, "classification", "softmax"),
        (logits(4), "BiasAdd", "MeanSquaredError", {"activation": "sigmoid"}, "multilabel", "sigmoid"),
        (logits(4), "BiasAdd", "a_loss_of_our_own", {}, "classification", "softmax"),
        (within(4), "Sigmoid", "sparse_categorical_crossentropy", {}, "classification", "none"),
        (within(4), "Sigmoid", "binary_crossentropy", {}, "multilabel", "none"),
        (shares(2), "Softmax", "binary_crossentropy", {}, "classification", "none"),
        (shares(2), "RealDiv", "binary_crossentropy", {}, "classification", "none"),
        (logits(32, 32, 1), "BiasAdd", "BinaryCrossentropy", {}, "segmentation", "sigmoid"),
        (logits(32, 32, 4), "BiasAdd", "categorical_crossentropy", {}, "segmentation", "softmax"),
        (logits(32, 32, 4), "BiasAdd", "huber", {}, "raw", "none"),
        (indices(1), "ArgMax", "mse", {}, "raw", "none"),
    ],
)
def test_what_it_was_trained_with_tells_where_its_last_operation_does_not(
    values: NDArray[Any], ending: str, loss: str, card: dict[str, Any], task: str, activation: str
) -> None:
    draft = read_card(card, Card("m", "", (), "raw", InputSpec(32, 32)))
    found = read_off([ProbedOutput("out", values, ending)], draft, card, Loss.named(loss))
    assert (found.card.task, found.card.activation) == (task, activation)
    assert len(found.card.labels) == len(card.get("labels", ()))


def test_the_loss_of_several_outputs_tells_nothing() -> None:
    draft = Card("m", "", (), "raw", InputSpec(32, 32))
    outputs = [ProbedOutput(name, logits(3), "BiasAdd") for name in "ab"]
    assert read_off(outputs, draft, {}, Loss.named("binary_crossentropy")).card.task == "raw"


def test_segmentation_has_the_proportions_of_the_input() -> None:
    assert reading((logits(30, 40, 5), "BiasAdd"), spec=InputSpec(480, 640)).card.task == "segmentation"
    assert reading((logits(33, 33, 5), "BiasAdd"), spec=InputSpec(513, 513)).card.task == "segmentation"
    assert reading((logits(40, 30, 5), "BiasAdd"), spec=InputSpec(480, 640)).card.task == "raw"


@pytest.mark.parametrize(
    ("values", "ending", "card", "task", "activation"),
    [
        (within(1), "BiasAdd", {"labels": ["no", "yes"]}, "binary", "sigmoid"),
        (logits(1), "BiasAdd", {"activation": "sigmoid"}, "binary", "sigmoid"),
        (logits(1), "BiasAdd", {"task": "binary"}, "binary", "sigmoid"),
        (within(1), None, {"task": "binary"}, "binary", "none"),
        (within(1), "Sigmoid", {"task": "regression"}, "regression", "none"),
        (within(10), "Sigmoid", {"task": "classification"}, "classification", "none"),
        (shares(10), "Softmax", {"task": "raw"}, "raw", "none"),
        (logits(10), "BiasAdd", {"task": "multilabel"}, "multilabel", "sigmoid"),
        (logits(10), "BiasAdd", {"activation": "sigmoid"}, "multilabel", "sigmoid"),
        (logits(10), "BiasAdd", {"activation": "none"}, "classification", "none"),
        (shares(10), "Softmax", {"activation": "softmax"}, "classification", "softmax"),
        (logits(1), "BiasAdd", {"task": "multilabel", "labels": ["one"]}, "multilabel", "sigmoid"),
        (logits(32, 32, 1), "BiasAdd", {"task": "segmentation"}, "segmentation", "sigmoid"),
        (within(32, 32, 3), "Sigmoid", {"task": "segmentation"}, "segmentation", "none"),
    ],
)
def test_what_the_card_says_counts(
    values: NDArray[Any], ending: str | None, card: dict[str, Any], task: str, activation: str
) -> None:
    said = reading((values, ending), **card).card
    assert (said.task, said.activation) == (task, activation)


@pytest.mark.parametrize(
    ("values", "ending", "card", "fault", "named"),
    [
        (logits(1), "BiasAdd", {"task": "classification"}, ModelFault.WRONG_OUTPUT, "one row of class scores"),
        (shares(2), "Softmax", {"task": "binary"}, ModelFault.WRONG_OUTPUT, "one number"),
        (indices(1), "ArgMax", {"task": "binary"}, ModelFault.WRONG_OUTPUT, "one number"),
        (logits(8, 8), "BiasAdd", {"task": "multilabel"}, ModelFault.WRONG_OUTPUT, "one row of scores"),
        (shares(10), "Softmax", {"task": "segmentation"}, ModelFault.WRONG_OUTPUT, "for each pixel"),
        (logits(16, 24, 5), "BiasAdd", {"task": "segmentation"}, ModelFault.WRONG_OUTPUT, "proportions"),
        (shares(10), "Softmax", {"task": "detection"}, ModelFault.WRONG_OUTPUT, "for each box"),
        (shares(10), "Softmax", {"labels": ["a"]}, ModelFault.LABELS_MISMATCH, "1 labels for 10"),
        (within(1), "Sigmoid", {"labels": ["a"]}, ModelFault.LABELS_MISMATCH, "two classes"),
        (within(1), "Sigmoid", {"labels": list("abc")}, ModelFault.LABELS_MISMATCH, "3 labels for two"),
        (within(10), "Sigmoid", {"labels": ["a"]}, ModelFault.LABELS_MISMATCH, "1 labels for 10"),
        (shares(32, 32, 5), "Softmax", {"labels": ["a"]}, ModelFault.LABELS_MISMATCH, "5 classes"),
        (within(32, 32, 1), "Sigmoid", {"labels": ["a"]}, ModelFault.LABELS_MISMATCH, "2 classes"),
        (indices(32, 32), "ArgMax", {"labels": ["a"]}, ModelFault.LABELS_MISMATCH, "classes"),
        (logits(1), "BiasAdd", {"task": "regression", "activation": "sigmoid"}, ModelFault.BAD_CARD, "`activation`"),
        (logits(4, 7), "BiasAdd", {"activation": "softmax"}, ModelFault.BAD_CARD, "`activation`"),
        (shares(9), "Softmax", {"task": "binary", "detection": {}}, ModelFault.BAD_CARD, "`detection`"),
        (shares(9), "Softmax", {"output": "other"}, ModelFault.BAD_CARD, "`output`"),
        (shares(9), "Softmax", {"output": 1}, ModelFault.BAD_CARD, "`output`"),
    ],
)
def test_a_card_that_contradicts_the_outputs_is_refused(
    values: NDArray[Any], ending: str, card: dict[str, Any], fault: ModelFault, named: str
) -> None:
    refused = rejection(lambda: reading((values, ending), **card))
    assert refused.fault is fault
    assert named in refused.detail
    assert refused.detail.isprintable()


def test_labels_of_class_indices_may_be_more_than_the_probe_images_had() -> None:
    assert reading((indices(32, 32, most=3), "ArgMax"), labels=list("abcdefgh")).card.labels == tuple("abcdefgh")


def test_several_outputs_of_no_known_form_stay_as_they_are() -> None:
    assert reading((shares(10), "Softmax"), (within(1), "Sigmoid")).card.task == "raw"
    assert reading((shares(10), "Softmax"), (shares(10), "Softmax")).card.task == "raw"
    assert reading((logits(4), "BiasAdd"), (shares(10), "Softmax")).card.task == "raw"


@pytest.mark.parametrize("labels_first", [True, False])
def test_a_classifier_that_also_names_the_class_is_told_by_its_scores(labels_first: bool) -> None:
    outputs = [(indices(), "ArgMax"), (shares(10), "Normalizer")]
    card = reading(*(outputs if labels_first else outputs[::-1])).card
    assert (card.task, card.output) == ("classification", "out1" if labels_first else "out0")


@pytest.mark.parametrize("output", ["out1", 1, "1"])
def test_the_card_may_say_which_output_tells_the_answer(output: Any) -> None:
    heads = (shares(10), "Softmax"), (within(1), "Sigmoid"), (logits(16, 16, 4), "Conv")
    assert reading(*heads, output=output).card.task == "binary"
    assert reading(*heads, output=output).card.output == "out1"
    assert reading(*heads, task="segmentation").card.output == "out2"
    assert "may name another" in reading(*heads, task="segmentation").notes[-1]


@pytest.mark.parametrize(
    ("values", "ending", "card", "notes"),
    [
        (shares(10), "Softmax", {}, []),
        (shares(10), "Softmax", {"task": "classification", "activation": "none"}, []),
        (logits(1), "BiasAdd", {"task": "regression"}, []),
        (logits(10), "BiasAdd", {"task": "classification", "activation": "softmax"}, []),
        (logits(10), "BiasAdd", {"task": "classification"}, ["its scores are logits, of which softmax"]),
        (logits(10), "BiasAdd", {"activation": "softmax"}, ["its row of 10 is taken for class scores"]),
        (within(1), "Sigmoid", {}, ["it ends with one sigmoid: a binary"]),
    ],
)
def test_what_was_assumed_is_told_and_what_the_card_says_is_not(
    values: NDArray[Any], ending: str, card: dict[str, Any], notes: list[str]
) -> None:
    told = reading((values, ending), **card).notes
    assert [note[: len(start)] for note, start in zip(told, notes, strict=True)] == notes
