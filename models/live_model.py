"""A model that is loaded and answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.artefacts import Manifest
from models.card import Card
from models.engines.engine import AnswersElsewhere, Engine, Outputs
from models.errors import (
    ImageError,
    ImageFault,
    MachineFailed,
    ModelFailed,
    ModelGivenUp,
    ModelsClosed,
    ModelUnfit,
    typed_line,
)
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.reference import ModelReference, StatedTrial
from models.tasks import interpret

_AT_ONCE_BYTES = 256 << 20
_OF_MACHINES = (ImageFault.MODEL_OUT_OF_MEMORY, ImageFault.MODEL_TIMED_OUT)
"""What may be the machine's doing: vetting saw the model answer."""


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

    def ask(self, images: Sequence[Raster]) -> Callable[[], Outputs]:
        """Begins to answer, where it computes in another process, and raises nothing.

        Returns:
            What waits for the answer of `predict`, and raises what that does. It is to be called once, whatever happens
            meanwhile, and before the same thread asks the same engine anything else.
        """
        if not isinstance(self.engine, AnswersElsewhere):
            return partial(self.predict, images)
        try:
            return self.engine.ask(model_input(images, self.manifest))
        except Exception:  # such as too little memory, which is told to whoever waits, if it has not passed
            return partial(self.predict, images)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Answers this thread alone until it is left, where it computes in another process."""
        return self.engine.alone() if isinstance(self.engine, AnswersElsewhere) else contextlib.nullcontext()

    def warm(self, sizes: Sequence[int]) -> None:
        """Answers to black images, batches of so many each, so far as it takes such; what it says is not looked at.

        Raises:
            ModelUnfit: it does not answer; `MachineFailed` where it was short of memory or time.
        """
        for size in sorted({min(size, self.engine.largest_run, self.images_at_once) for size in sizes}):
            try:
                self.predict(_black_images(self.card, size))
            except ModelUnfit:
                raise
            except ModelFailed as failure:
                unfit = MachineFailed if failure.fault in _OF_MACHINES else ModelUnfit
                raise unfit(failure.fault, failure.detail) from failure

    def require_fit(self) -> None:
        """Does nothing where the model answers to its own probe image, a black one, with numbers that mean something.

        Raises:
            ModelUnfit: it does not: what went wrong was no image's fault; `MachineFailed` where it could not be asked.
            ModelsClosed: the program is ending.
        """
        [black] = _black_images(self.card, 1)
        outputs = self._asked(black)
        if outputs is None:
            return
        try:
            if not all(np.isfinite(output).all() for output in outputs):
                raise ModelUnfit(ImageFault.NON_FINITE_OUTPUT, "an answer to a black image is not finite")
            [row] = zip(*outputs, strict=True)
            interpret(row, self.manifest, black)
        except ModelUnfit:
            raise
        except ImageError as failure:
            raise ModelUnfit(failure.fault, failure.detail) from failure
        except Exception as error:  # whatever it answers, it is no answer
            raise ModelUnfit(ImageFault.PREDICTION_FAILED, typed_line(error)) from error

    def _asked(self, image: Raster) -> Outputs | None:
        """The answer to one image; None where the program ends before there is one."""
        try:
            return self.predict([image])
        except (ModelsClosed, ModelUnfit):
            raise
        except ModelGivenUp:
            return None
        except ModelFailed as failure:
            raise ModelUnfit(failure.fault, failure.detail) from failure
        except Exception as error:  # it was this process that could not ask
            raise MachineFailed(ImageFault.PREDICTION_FAILED, typed_line(error)) from error


@dataclass(frozen=True, slots=True)
class OnTrial:
    """The model that is tried, ready to answer, and the trial that says which images it is tried on."""

    model: LiveModel
    trial: StatedTrial


def _black_images(card: Card, images: int) -> list[Raster]:
    return [Raster(np.zeros((card.input.height, card.input.width, 3), np.uint8))] * images
