"""A model that fails on its own probe image answers nothing any more; the one before it takes over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.answering import answer, answers
from models.artefacts import Artefact, Manifest, OutputSpec
from models.card import Card, InputSpec
from models.engines.engine import Outputs
from models.engines.loading import load_engine
from models.errors import ImageError, ImageFault, ModelFailed, ModelUnfit, NoModelAnswers
from models.events import EventLog
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.reference import ModelReference, Statement
from models.tasks import Mask, Ranked
from tests.models.live_bench import Shelf
from tests.waiting import eventually

GREY = [Raster(np.full((8, 8, 3), 128, np.uint8))] * 3


class Device:
    """Executes models until it breaks, for some of them."""

    def __init__(self) -> None:
        self.broken_for: set[str] = set()
        self.says = "failing"

    def load(self, artefact: Artefact, threads: int) -> Executed:
        return Executed(artefact, self)


class Executed:
    largest_run = 8

    def __init__(self, artefact: Artefact, device: Device) -> None:
        self._engine = load_engine(artefact, 1)
        self._name = artefact.folder.name
        self._device = device

    def predict(self, batch: NDArray[Any]) -> Outputs:
        (scores,) = self._engine.predict(batch)
        if self._name not in self._device.broken_for:
            return (scores,)
        if self._device.says == "nan":
            return (scores * np.nan,)
        raise ModelFailed(ImageFault.MODEL_CRASHED, "its process ended")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def events() -> EventLog:
    return EventLog()


@pytest.fixture
def models(shelf: Shelf, device: Device, events: EventLog) -> Iterator[LiveModels]:
    models = LiveModels(shelf.obtain, events, device.load, warm_sizes=(1, 2))
    yield models
    models.close()


def bring(models: LiveModels, reference: ModelReference, epoch: int) -> None:
    models.follow(Statement(reference, epoch))
    eventually(lambda: (live := models.peek()) and live.reference == reference, f"{reference.model_id} to be live")


def classes(models: LiveModels) -> list[int | ImageFault]:
    outcomes = answer(models, GREY).outcomes
    return [each.top[0].class_index if isinstance(each, Ranked) else each.fault for each in outcomes]  # type: ignore[union-attr]


@pytest.mark.parametrize("says", ["failing", "nan"])
def test_the_one_before_takes_over_and_answers_the_very_images(
    models: LiveModels, shelf: Shelf, device: Device, events: EventLog, says: str
) -> None:
    first, second = shelf.model(1), shelf.model(2)
    bring(models, first, 1)
    bring(models, second, 2)
    device.says = says
    device.broken_for = {"2"}
    assert classes(models) == [1, 1, 1]
    assert answer(models, GREY).by.reference == first
    (told,) = [event for event in events.drain() if event.event == "quarantined"]
    assert told.model_id == second.model_id
    word = "non_finite_output" if says == "nan" else "model_crashed"
    assert told.reason.startswith(word)
    assert told.reason.endswith(f"{first.model_id} takes over")
    eventually(lambda: events.counts()["retired"] == 2, "both retirements")  # one for the swap, one for the quarantine


def test_a_model_that_fails_as_it_is_brought_in_never_answers(
    models: LiveModels, shelf: Shelf, device: Device, events: EventLog
) -> None:
    first, second = shelf.model(1), shelf.model(2)
    bring(models, first, 1)
    device.broken_for = {"2"}
    models.follow(Statement(second, 2))
    eventually(lambda: events.counts()["quarantined"] == 1, "the quarantine")
    assert classes(models) == [1, 1, 1]
    assert shelf.loads.total() == 0
    assert shelf.asked[second.digest] == 1


def test_where_no_model_is_left_the_batch_fails_and_no_image_is_answered_for(
    models: LiveModels, shelf: Shelf, device: Device
) -> None:
    only = shelf.model(1)
    bring(models, only, 1)
    device.broken_for = {"1"}
    for _ in range(2):
        with pytest.raises(NoModelAnswers, match=f"{only.model_id}, failed on its own probe image: model_crashed"):
            answer(models, GREY)


def test_a_new_model_ends_the_want_of_one(models: LiveModels, shelf: Shelf, device: Device) -> None:
    bring(models, shelf.model(1), 1)
    device.broken_for = {"1"}
    with pytest.raises(NoModelAnswers):
        answer(models, GREY)
    models.follow(Statement(shelf.model(2), 2))
    assert classes(models) == [2, 2, 2]


def test_a_quarantined_model_gets_another_chance_once_it_is_stated_anew(
    models: LiveModels, shelf: Shelf, device: Device
) -> None:
    first, second = shelf.model(1), shelf.model(2)
    bring(models, first, 1)
    bring(models, second, 2)
    device.broken_for = {"2"}
    assert classes(models) == [1, 1, 1]
    device.broken_for = set()
    models.follow(Statement(second, 2))  # as it is restated all the time
    assert classes(models) == [1, 1, 1]
    models.follow(Statement(first, 3))
    models.follow(Statement(second, 4))
    eventually(lambda: classes(models) == [2, 2, 2], "its second chance")


def test_a_model_that_fails_on_one_image_alone_stays(models: LiveModels, shelf: Shelf, device: Device) -> None:
    class Squeamish(Executed):
        def predict(self, batch: NDArray[Any]) -> Outputs:
            if (batch > 0.9).any():
                raise ModelFailed(ImageFault.MODEL_CRASHED, "its process ended")
            return super().predict(batch)

    device.load = lambda artefact, threads: Squeamish(artefact, device)  # type: ignore[method-assign]
    models = LiveModels(shelf.obtain, EventLog(), device.load, warm_sizes=(1,))
    try:
        bring(models, shelf.model(1), 1)
        white = Raster(np.full((8, 8, 3), 255, np.uint8))
        outcomes = answer(models, [*GREY, white]).outcomes
        assert [isinstance(each, ImageError) for each in outcomes] == [False, False, False, True]
        models.current().require_fit()
    finally:
        models.close()


class Masks:
    """A model of masks, whose class indices are none that can be: for all images, or for those that are not black."""

    largest_run = 8

    def __init__(self, for_black_too: bool) -> None:
        self._for_black_too = for_black_too

    def predict(self, batch: NDArray[Any]) -> Outputs:
        bad = np.array([self._for_black_too or image.any() for image in batch])
        return (np.broadcast_to(np.where(bad, 300, 7)[:, None, None], (len(batch), 8, 8)),)


def masks(for_black_too: bool) -> LiveModel:
    sha256 = "0" * 64
    card = Card("masks", "", (), "segmentation", InputSpec(8, 8))
    manifest = Manifest(sha256, "onnx", "", card, (8, 8, 3), "float32", (OutputSpec("classes", (8, 8)),), 0.0)
    return LiveModel(ModelReference("masks.onnx", sha256), manifest, Masks(for_black_too))


def test_a_model_whose_numbers_mean_nothing_for_its_own_probe_image_is_unfit() -> None:
    with pytest.raises(ModelUnfit, match="prediction_failed: a mask with class indices"):
        answers(masks(for_black_too=True), GREY)


def test_numbers_that_mean_nothing_for_one_image_are_that_images_fault() -> None:
    black = Raster(np.zeros((8, 8, 3), np.uint8))
    bad, good = answers(masks(for_black_too=False), [GREY[0], black])
    assert isinstance(bad, ImageError) and bad.fault is ImageFault.PREDICTION_FAILED
    assert isinstance(good, Mask)


def test_who_is_unfit_says_so_in_the_words_of_dead_letters() -> None:
    assert str(ModelUnfit(ImageFault.MODEL_CRASHED, "it ended")) == "model_crashed: it ended"
