"""Each image of a batch has its own answer, with the id of the model that gave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.artefacts import Manifest, OutputSpec
from models.card import Card, InputSpec
from models.engines.engine import Outputs
from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.live import LiveModel, OnTrial
from models.records import DecodedImage, ImageRequest, Origin, result_record
from models.reference import ModelReference, StatedTrial
from models.serving import ServingConfig
from models.tasks import Numbers
from models.trials.evidence import Side
from models.trials.sides import is_tried
from models.trials.tried import Tried
from transforms.inference import HotSwapModelHandler

REFERENCE = ModelReference("gs://b/m.h5", "0123456789ab" + "0" * 52)
LATER = ModelReference("gs://b/later.h5", "ba9876543210" + "0" * 52)
POISON, NOT_A_NUMBER = 13, 14


class Picky:
    """An engine that answers each image with its brightness, fails on some, and counts its calls."""

    largest_run = 8

    def __init__(self) -> None:
        self.calls = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def predict(self, batch: NDArray[Any]) -> Outputs:
        self.calls += 1
        self.meanwhile()
        brightness = batch.reshape(len(batch), -1)[:, 0]
        if POISON in brightness:
            raise RuntimeError("a kernel choked\non this batch")
        return (np.stack([np.where(brightness == NOT_A_NUMBER, np.nan, brightness), 0 * brightness], axis=1),)


class Holder:
    """What RunInference is given: something with a current model. Another takes over while the first answers."""

    def __init__(self, engine: Picky, on_trial: OnTrial | None = None) -> None:
        self._live = named("first", REFERENCE, engine)
        self._on_trial = on_trial
        if on_trial is None:
            engine.meanwhile = self._swap

    def current(self) -> LiveModel:
        return self._live

    peek = current

    def on_trial(self) -> OnTrial | None:
        return self._on_trial

    def _swap(self) -> None:
        self._live = named("second", LATER, Picky())


def named(name: str, reference: ModelReference, engine: Picky) -> LiveModel:
    card = Card(name, "1", (), "raw", InputSpec(2, 2, 1))
    return LiveModel(
        reference, Manifest("0" * 64, "onnx", "", card, (2, 2, 1), "uint8", (OutputSpec("scores", (2,)),), 0.0), engine
    )


def image(brightness: int) -> DecodedImage:
    request = ImageRequest(f"{brightness}.png", Origin("id", "2026-01-01T00:00:00.000000Z", {"k": "v"}))
    return DecodedImage(request, Raster(np.full((4, 4, 3), brightness, np.uint8)))


def outcomes(*brightness: int) -> tuple[list[Any], Picky]:
    engine = Picky()
    handler = HotSwapModelHandler(ServingConfig("none"))
    results = list(handler.run_inference([image(b) for b in brightness], Holder(engine)))  # type: ignore[arg-type]
    assert [result.example.image for result in results] == [f"{b}.png" for b in brightness]
    assert {result.model_id for result in results} == {REFERENCE.model_id}
    return [result.inference.outcome for result in results], engine


def test_a_model_that_takes_over_during_a_batch_signs_only_the_next_one() -> None:
    handler, holder = HotSwapModelHandler(ServingConfig("none")), Holder(Picky())

    batches = [list(handler.run_inference([image(1), image(2)], holder)) for _ in range(2)]  # type: ignore[arg-type]

    signed = [[(result.model_id, result.inference.model_name) for result in batch] for batch in batches]
    assert signed == [[(REFERENCE.model_id, "first")] * 2, [(LATER.model_id, "second")] * 2]


@pytest.mark.parametrize("message_id", ["", "17"])
def test_on_which_side_an_image_falls_is_told_by_its_message_or_else_by_its_path(message_id: str) -> None:
    trial = StatedTrial(7, LATER, "canary", 0.5)
    holder = Holder(Picky(), OnTrial(named("tried", LATER, Picky()), trial))
    origin = Origin(message_id, "", {})
    images = [
        image(brightness)._replace(request=ImageRequest(f"{brightness}.png", origin)) for brightness in range(1, 12)
    ]

    handler = HotSwapModelHandler(ServingConfig("none"))
    results = list(handler.run_inference(images, holder))  # type: ignore[arg-type]

    assert [result.example for result in results] == [each.request for each in images]
    for result in results:
        side: Side = "new" if is_tried(trial, message_id or result.example.image) else "old"
        assert result.inference.tried == Tried(7, side, None)
        assert result.model_id == (LATER if side == "new" else REFERENCE).model_id
        assert result.inference.model_name == ("tried" if side == "new" else "first")


def test_every_result_bears_the_id_of_the_model_that_answered_and_no_pixels() -> None:
    answers, engine = outcomes(1, 2, 3)

    assert [answer.outputs["scores"][0] for answer in answers] == [1, 2, 3]
    assert engine.calls == 1


def test_one_image_that_the_model_chokes_on_is_one_fault_and_its_neighbours_are_answered() -> None:
    answers, _ = outcomes(1, 2, POISON, 4, 5, 6, 7, 8)

    assert [type(answer) for answer in answers].count(ImageError) == 1
    assert answers[2].fault is ImageFault.PREDICTION_FAILED
    assert "\n" not in answers[2].detail
    assert [answer.outputs["scores"][0] for answer in answers[3:]] == [4, 5, 6, 7, 8]


def test_an_answer_that_is_not_a_number_is_a_fault_of_its_image_alone() -> None:
    answers, engine = outcomes(1, NOT_A_NUMBER, 3)

    assert answers[1].fault is ImageFault.NON_FINITE_OUTPUT
    assert isinstance(answers[0], Numbers)
    assert engine.calls == 2  # once for the batch, once for a black image, to see whose fault it is


def test_a_result_has_the_contracts_fields_in_its_order() -> None:
    handler = HotSwapModelHandler(ServingConfig("none"))
    (result,) = handler.run_inference([image(9)], Holder(Picky()))  # type: ignore[arg-type]

    record = result_record(result.example, result.inference, result.model_id)

    assert list(record) == [
        *("image", "model_id", "model_name", "values", "message_id", "publish_time", "predict_time", "attributes")
    ]
    assert record["attributes"] == {"k": "v"}


def test_counting_a_batch_does_not_pickle_its_pixels() -> None:
    assert HotSwapModelHandler(ServingConfig("none")).get_num_bytes([image(1)] * 3) == 3 * 4 * 4 * 3


@pytest.mark.parametrize("path", [None, ""])
def test_a_window_without_a_statement_changes_nothing(path: str | None) -> None:
    HotSwapModelHandler(ServingConfig("none")).update_model_path(model_path=path)
