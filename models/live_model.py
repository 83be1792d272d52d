"""A model that is loaded and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.artefacts import Manifest
from models.card import Card
from models.engines.engine import Engine, Outputs
from models.errors import (
    ImageError,
    ImageFault,
    ModelFailed,
    ModelGivenUp,
    ModelsClosed,
    ModelUnfit,
    typed_line,
)
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.reference import ModelReference
from models.tasks import interpret

_AT_ONCE_BYTES = 256 << 20


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class LiveModel:
    """A loaded model together with the reference of its bytes: a batch takes both as one value."""

    reference: ModelReference
    manifest: Manifest
    engine: Engine

    @property
    def images_at_once(self) -> int:
        """For how many images, with their answers, there is room in this process; at least one."""
        return max(1, _AT_ONCE_BYTES // self.manifest.bytes_an_image)

    @property
    def card(self) -> Card:
        """How it wants its images, and what its outputs mean."""
        return self.manifest.card

    def predict(self, images: Sequence[Raster]) -> Outputs:
        """A row of each output for each image, of whatever size it is."""
        return self.engine.predict(model_input(images, self.manifest))

    def warm(self, sizes: Sequence[int]) -> None:
        """Answers to black images, batches of so many each, so far as it takes such; what it says is not looked at.

        Raises:
            ModelUnfit: it does not answer.
        """
        for size in sorted({min(size, self.engine.largest_run, self.images_at_once) for size in sizes}):
            try:
                self.predict(_black_images(self.card, size))
            except ModelFailed as failure:
                raise ModelUnfit(failure.fault, failure.detail) from failure

    def require_fit(self) -> None:
        """Does nothing where the model answers to its own probe image, a black one, with numbers that mean something.

        Raises:
            ModelUnfit: it does not: what went wrong was no image's fault.
            ModelsClosed: the program is ending.
        """
        [black] = _black_images(self.card, 1)
        try:
            outputs = self.predict([black])
            if not all(np.isfinite(output).all() for output in outputs):
                raise ModelUnfit(ImageFault.NON_FINITE_OUTPUT, "an answer to a black image is not finite")
            [row] = zip(*outputs, strict=True)
            interpret(row, self.manifest, black)
        except (ModelsClosed, ModelUnfit):
            raise
        except ModelGivenUp:
            return
        except (ModelFailed, ImageError) as failure:
            raise ModelUnfit(failure.fault, failure.detail) from failure
        except Exception as error:  # engines raise errors of their own kinds
            raise ModelUnfit(ImageFault.PREDICTION_FAILED, typed_line(error)) from error


def _black_images(card: Card, images: int) -> list[Raster]:
    return [Raster(np.zeros((card.input.height, card.input.width, 3), np.uint8))] * images
