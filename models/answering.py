"""What a model says to each image of a batch; one that it chokes on costs no other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from models.engines import Outputs
from models.errors import ImageError, ImageFault, typed_line
from models.images.decoding import Raster
from models.live import LiveModel
from models.tasks import Prediction, interpret


def answers(model: LiveModel, images: Sequence[Raster]) -> Iterator[Prediction | ImageError]:
    """A `Prediction` or an `ImageError` for each image, in order."""
    for image, row in zip(images, _rows(model, images), strict=True):
        if isinstance(row, ImageError):
            yield row
            continue
        try:
            yield interpret(row, model.manifest, image)
        except ImageError as error:
            yield error


def _rows(model: LiveModel, images: Sequence[Raster]) -> list[Outputs | ImageError]:
    try:
        return list(zip(*model.predict(images), strict=True))
    except Exception as error:  # engines raise errors of their own kinds; halving finds the image at fault
        if len(images) == 1:
            return [ImageError(ImageFault.PREDICTION_FAILED, typed_line(error))]
        middle = len(images) // 2
        return _rows(model, images[:middle]) + _rows(model, images[middle:])
