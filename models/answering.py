"""What a model says to each image of a batch; one that it chokes on costs no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from numpy.typing import NDArray

from models.engines.engine import Outputs
from models.errors import ImageError, ImageFault, ModelFailed, ModelsClosed, ModelUnfit, typed_line
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.tasks import Prediction, interpret

Items = TypeVar("Items", Sequence[Raster], NDArray[Any])
"""Images, or a batch as a model takes it."""
Meaning = TypeVar("Meaning")
"""What a model's numbers come to."""


class Answered(NamedTuple):
    """What became of a batch.

    Attributes:
        by: the model that answered.
        outcomes: a `Prediction` or an `ImageError` for each image, in order.
    """

    by: LiveModel
    outcomes: list[Prediction | ImageError]


def answer(
    models: LiveModels, images: Sequence[Raster], before: Callable[[LiveModel | None], None] = lambda model: None
) -> Answered:
    """Has the live model answer; one that fails on its own probe image is quarantined, and the next one answers.

    Args:
        models: of which one is live.
        images: at least one.
        before: is told which model will be asked, each time; None: another one is waited for.

    Raises:
        NoModelAnswers: there is none that could.
        ModelsClosed: the program is ending.
    """
    while True:
        if models.peek() is None:
            before(None)
        live = models.current()
        before(live)
        try:
            return Answered(live, answers(live, images))
        except ModelUnfit as why:
            models.quarantine(live, why)


def answers(
    model: LiveModel, images: Sequence[Raster], predict: Callable[[Sequence[Raster]], Outputs] | None = None
) -> list[Prediction | ImageError]:
    """A `Prediction` or an `ImageError` for each image, in order.

    Args:
        model: whose answers they are.
        images: at least one.
        predict: has it answer; None for its own way.

    Raises:
        ModelUnfit: the model fails on its own probe image too.
        ModelsClosed: the program is ending.
    """
    outcomes = [
        row if isinstance(row, ImageError) else meaning_of(partial(interpret, row, model.manifest, image))
        for image, row in zip(images, rows_of(model, predict or model.predict, images), strict=True)
    ]
    if any(isinstance(outcome, ImageError) for outcome in outcomes):
        model.require_fit()
    return outcomes


def meaning_of(interpreted: Callable[[], Meaning]) -> Meaning | ImageError:
    """What a model's numbers come to, whatever they are.

    Args:
        interpreted: reads them; what it raises is the model's doing.
    """
    try:
        return interpreted()
    except ImageError as error:
        return error.with_traceback(None)  # which would hold on to the model
    except Exception as error:
        return ImageError(ImageFault.PREDICTION_FAILED, typed_line(error))


def rows_of(model: LiveModel, predict: Callable[[Items], Outputs], items: Items) -> Iterator[Outputs | ImageError]:
    """A row of each output for each item of a batch, in order, as many at once as there is room for.

    Whoever is given an `ImageError`, or cannot make sense of a row, asks `model.require_fit` whose fault it is.

    Args:
        model: of whose numbers there is room for so many.
        predict: its answer to some of them, shape (n, …) each.
        items: at least one.

    Raises:
        ModelUnfit, ModelsClosed: as from `predict`.
    """
    run = model.images_at_once
    for start in range(0, len(items), run):
        yield from _halved(predict, items[start : start + run])


def _halved(predict: Callable[[Items], Outputs], items: Items) -> list[Outputs | ImageError]:
    """A row of each output for each item; a batch that fails is halved until the item at fault is found."""
    try:
        return list(zip(*predict(items), strict=True))
    except (ModelsClosed, ModelUnfit):
        raise
    except Exception as error:  # engines raise errors of their own kinds; halving finds the image at fault
        if len(items) == 1:
            return [_fault_of(error)]
        middle = len(items) // 2
        return _halved(predict, items[:middle]) + _halved(predict, items[middle:])


def _fault_of(error: Exception) -> ImageError:
    if isinstance(error, ModelFailed):
        return ImageError(error.fault, error.detail)
    return ImageError(ImageFault.PREDICTION_FAILED, typed_line(error))
