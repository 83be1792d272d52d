"""How many images a model gets right: counted, and compared."""

from __future__ import annotations

from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Artefact
from models.compute_threads import cores
from models.engines.engine import Outputs
from models.errors import ImageError
from models.hosting.hosted_engine import Hosts
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.tasks import Ranked, interpret
from studio.retraining.digits import Digits
from studio.retraining.networks import LABELS, scaled

_AT_ONCE = 32


class Score(NamedTuple):
    """How many of how many images are right."""

    right: int
    of: int


class Scores(NamedTuple):
    """Of one model.

    Attributes:
        test: held-out digits.
        unseen: corrections that no model learns from.
        variants: fresh variants of corrections that a model may learn from, see `fresh_variants`.
    """

    test: Score
    unseen: Score
    variants: Score


def score_of_keras(model: Any, images: Digits) -> Score:
    """Of a model of Keras that tells the ten digits."""
    if not len(images):
        return Score(0, 0)
    answers = np.asarray(model.predict(scaled(images.pixels), batch_size=256, verbose=0)).argmax(axis=1)
    return Score(int((answers == images.labels).sum()), len(images))


def scores_of_vetted(artefact: Artefact, test: Digits, unseen: Digits, variants: Digits) -> Scores:
    """Of any vetted model, asked just as the stream asks it: its engine, in a process of its own, by its card.

    An answer is right where the best label is the digit; a model with other labels is never right.

    Raises:
        ModelFailed: it does not answer.
        OSError: this machine cannot start a process.
    """
    with closing(Hosts()) as hosts:
        engine = hosts.load(artefact, cores())
        counted = []
        for images in (test, unseen, variants):
            right = 0
            for start in range(0, len(images), _AT_ONCE):
                some = images[start : start + _AT_ONCE]
                rasters = [_raster(pixels) for pixels in some.pixels]
                rows = zip(*engine.predict(model_input(rasters, artefact.manifest)), strict=True)
                answers = [_answer(row, artefact, raster) for row, raster in zip(rows, rasters, strict=True)]
                right += sum(answer == LABELS[label] for answer, label in zip(answers, some.labels, strict=True))
            counted.append(Score(right, len(images)))
    return Scores(*counted)


def _raster(pixels: NDArray[np.uint8]) -> Raster:
    return Raster(np.ascontiguousarray(np.repeat(pixels[..., None], 3, axis=2)))


def _answer(outputs: Outputs, artefact: Artefact, image: Raster) -> str:
    try:
        prediction = interpret(outputs, artefact.manifest, image)
    except ImageError:  # no answer is a wrong one
        return ""
    return prediction.top[0].label if isinstance(prediction, Ranked) else ""
