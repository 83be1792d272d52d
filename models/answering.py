"""What a model says to each image of a batch; one that it chokes on costs no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from numpy.typing import NDArray

from models.engines.engine import Outputs
from models.errors import ImageError, ImageFault, ModelFailed, ModelsClosed, ModelUnfit, typed_line
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.tasks import Prediction, interpret

Items = TypeVar("Items", Sequence[Raster], NDArray[Any])
"""Images, or a batch as a model takes it."""


class Answered(NamedTuple):
    """What became of a batch.

    Attributes:
        by: the model that answered.
        outcomes: a `Prediction` or an `ImageError` for each image, in order.
    """

    by: LiveModel
    outcomes: list[Prediction | ImageError]


def answer(models: LiveModels, images: Sequence[Raster]) -> Answered:
    """Has the live model answer; one that fails on its own probe image is quarantined, and the next one answers.

    Raises:
        NoModelAnswers: there is none that could.
        ModelsClosed: the program is ending.
    """
    while True:
        live = models.current()
        try:
            return Answered(live, answers(live, images))
        except ModelUnfit as why:
            models.quarantine(live, why)


def answers(model: LiveModel, images: Sequence[Raster]) -> list[Prediction | ImageError]:
    """A `Prediction` or an `ImageError` for each image, in order.

    Raises:
        ModelUnfit: the model fails on its own probe image too.
        ModelsClosed: the program is ending.
    """
    run = model.images_at_once
    outcomes = [
        outcome for start in range(0, len(images), run) for outcome in _answers(model, images[start : start + run])
    ]
    if any(isinstance(outcome, ImageError) for outcome in outcomes):
        model.require_fit()
    return outcomes


def _answers(model: LiveModel, images: Sequence[Raster]) -> list[Prediction | ImageError]:
    rows = zip(images, rows_of(model.predict, images), strict=True)
    return [row if isinstance(row, ImageError) else _meaning(row, model, image) for image, row in rows]


def _meaning(row: Outputs, model: LiveModel, image: Raster) -> Prediction | ImageError:
    try:
        return interpret(row, model.manifest, image)
    except ImageError as error:
        return error.with_traceback(None)  # which would hold on to the model


def rows_of(predict: Callable[[Items], Outputs], items: Items) -> list[Outputs | ImageError]:
    """A row of each output for each item of a batch; a batch that fails is halved until the item at fault is found.

    Args:
        predict: a model's answer to some of them, shape (n, …) each.
        items: at least one.

    Raises:
        ModelUnfit, ModelsClosed: as from `predict`.
    """
    try:
        return list(zip(*predict(items), strict=True))
    except (ModelsClosed, ModelUnfit):
        raise
    except Exception as error:  # engines raise errors of their own kinds; halving finds the image at fault
        if len(items) == 1:
            return [_fault_of(error)]
        middle = len(items) // 2
        return rows_of(predict, items[:middle]) + rows_of(predict, items[middle:])


def _fault_of(error: Exception) -> ImageError:
    if isinstance(error, ModelFailed):
        return ImageError(error.fault, error.detail)
    return ImageError(ImageFault.PREDICTION_FAILED, typed_line(error))
