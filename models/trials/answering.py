"""Who answers what while a model is tried: the live one, the one on trial, or in its shadow both."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from models.answering import answer, answers
from models.engines.engine import Outputs
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
from models.live import LiveModel, LiveModels, OnTrial
from models.tasks import Prediction
from models.trials.evidence import Side
from models.trials.gathering import Gathering
from models.trials.gist import gist_of
from models.trials.sides import is_tried
from models.trials.tried import Tried

Outcome = Prediction | ImageError


class Told(NamedTuple):
    """What became of one image.

    Attributes:
        by: the model that answered it.
        outcome: its answer, or why it has none.
        tried: what a trial has to do with it; None where there is none, and in the shadow of images beyond the share.
    """

    by: LiveModel
    outcome: Outcome
    tried: Tried | None


def answer_on_trial(
    models: LiveModels, gathering: Gathering, keys: Iterable[str], images: Sequence[Raster]
) -> list[Told]:
    """Has each image be answered by the model whose turn it is; without a trial by the live one, all of them at once.

    Each of both is asked first in half of the batches, so that neither seems the slower one by its place. A model on
    trial that fails on its own probe image, or once takes too long, is given up here, and the live one answers its
    share; so it does where that one cannot be asked. How long calls take is noted; what the answers are is for whoever
    sees them through.

    Args:
        models: the live one, and that on trial.
        gathering: takes the evidence.
        keys: of the images, see `models.trials.sides`; made only where one is tried, if they are lazy.
        images: at least one.

    Returns:
        Of each image, in order.

    Raises:
        NoModelAnswers: no live model could answer.
        ModelsClosed: the program is ending.
    """
    on_trial = models.on_trial()
    if on_trial is None:
        by, outcomes = answer(models, images)
        return [Told(by, outcome, None) for outcome in outcomes]
    tried = [place for place, key in enumerate(keys) if is_tried(on_trial.trial, key)]
    batch = _Batch(models, gathering, on_trial, images)
    if on_trial.trial.mode == "canary":
        batch.answer_as_canary(tried)
    else:
        batch.answer_in_shadow(tried)
    return batch.told


class _Batch:
    """One batch on its way; each image is told once."""

    def __init__(self, models: LiveModels, gathering: Gathering, on_trial: OnTrial, images: Sequence[Raster]) -> None:
        self._models = models
        self._gathering = gathering
        self._new, self._trial = on_trial.model, on_trial.trial
        self._images = images
        self._told: dict[int, Told] = {}

    @property
    def told(self) -> list[Told]:
        return [self._told[place] for place in range(len(self._images))]

    def answer_as_canary(self, tried: Sequence[int]) -> None:
        """The new model alone answers those that are tried, the old one the others."""
        others = _all_but(tried, len(self._images))
        pair = min(len(tried), len(others)) if tried and others and self._gathering.is_matched() else 0
        if is_new_first := self._gathering.is_new_first():
            self._by_new_alone(tried, pair)
        self._by_old(others[:pair])
        self._by_old(others[pair:], is_timed=not pair)
        if not is_new_first:
            self._by_new_alone(tried, pair)

    def answer_in_shadow(self, tried: Sequence[int]) -> None:
        """The old model answers all, and the new one those that are tried, for comparing alone."""
        is_matched = bool(tried) and self._gathering.is_matched()
        is_new_first = self._gathering.is_new_first()
        outcomes = self._by_new(tried) if is_new_first else None
        if is_matched:
            self._by_old(tried)
            self._by_old(_all_but(tried, len(self._images)), is_timed=False)
        else:
            self._by_old(range(len(self._images)))
        if not is_new_first:
            outcomes = self._by_new(tried)
        for place in range(len(self._images)):
            self._told[place] = self._told[place]._replace(tried=None)
        for place, outcome in zip(tried, outcomes or (), strict=False):
            told = self._told[place]
            if told.by.reference != self._new.reference:  # it was promoted meanwhile, and is no shadow any more
                other = None if isinstance(outcome, ImageError) else gist_of(outcome)
                self._told[place] = told._replace(tried=Tried(self._trial.number, "old", other))

    def _by_new_alone(self, tried: Sequence[int], pair: int) -> None:
        """The new model answers, the old one where that has no answer."""
        by_it = Tried(self._trial.number, "new", None)
        for places, is_timed in ((tried[:pair], True), (tried[pair:], not pair)):
            outcomes = self._by_new(places, is_timed)
            if outcomes is None:
                self._by_old(places, is_timed=False)
                continue
            for place, outcome in zip(places, outcomes, strict=True):
                self._told[place] = Told(self._new, outcome, by_it)

    def _by_old(self, places: Sequence[int], is_timed: bool = True) -> None:
        """The old model answers; of two calls in a row the second finds its process awake, and is not timed."""
        if not places:
            return
        began = time.monotonic()
        by, outcomes = answer(self._models, [self._images[place] for place in places])
        # The trial may end at any moment, by going live of the model that is tried.
        side: Side = "new" if by.reference == self._new.reference else "old"
        if is_timed:
            self._note(side, outcomes, time.monotonic() - began)
        tried = Tried(self._trial.number, side, None)
        for place, outcome in zip(places, outcomes, strict=True):
            self._told[place] = Told(by, outcome, tried)

    def _by_new(self, places: Sequence[int], is_timed: bool = True) -> list[Outcome] | None:
        """Its answers; None where it has none: it is unfit, or could not be asked."""
        if not places:
            return []
        began = time.monotonic()
        try:
            outcomes = self._asked([self._images[place] for place in places])
        except MachineFailed as why:
            if why.fault is ImageFault.MODEL_TIMED_OUT:
                self._models.quarantine(self._new, why)
            else:
                self._models.trouble(self._new, why)
            return None
        except ModelUnfit as why:
            self._models.quarantine(self._new, why)
            return None
        if is_timed:
            self._note("new", outcomes, time.monotonic() - began)
        return outcomes

    def _asked(self, images: Sequence[Raster]) -> list[Outcome]:
        """What the new model answers.

        Raises:
            ModelUnfit: it fails on its own probe image too.
            MachineFailed: it took too long, and answers to its own probe image; or this process could not ask it.
            ModelsClosed: the program is ending.
        """
        try:
            return answers(self._new, images, self._predicted)
        except (ModelsClosed, ModelUnfit):
            raise
        except Exception as error:  # no image's fault, such as another number of answers than of images
            self._new.require_fit()
            raise MachineFailed(ImageFault.PREDICTION_FAILED, typed_line(error)) from error

    def _predicted(self, images: Sequence[Raster]) -> Outputs:
        """As `LiveModel.predict`; only what tells of single images is looked for further, by halving."""
        try:
            return self._new.predict(images)
        except (ModelsClosed, ModelUnfit, ModelGivenUp, ImageError):
            raise
        except ModelFailed as failure:
            if failure.fault is not ImageFault.MODEL_TIMED_OUT:
                raise
            # Which image it was would cost as long again several times over. One of them has no answer, that is sure.
            with self._gathering.noting(self._trial) as evidence:
                evidence.answered("new", None)
            self._new.require_fit()
            raise MachineFailed(failure.fault, failure.detail) from failure
        except Exception as error:
            raise MachineFailed(ImageFault.PREDICTION_FAILED, typed_line(error)) from error

    def _note(self, side: Side, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Notes how long a call took, unless it was several, in search of an image at fault."""
        if any(isinstance(outcome, ImageError) for outcome in outcomes):
            return
        with self._gathering.noting(self._trial) as evidence:
            evidence.called(side, len(outcomes), seconds)


def _all_but(places: Sequence[int], length: int) -> list[int]:
    left_out = set(places)
    return [place for place in range(length) if place not in left_out]
