"""Who answers what while a model is tried: the live one, the one on trial, or in its shadow both."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from models.answering import answer, answers
from models.engines.engine import Outputs
from models.engines.turns import seconds_waited
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
from models.trials.sides import part_in
from models.trials.tried import Tried

Outcome = Prediction | ImageError


class Told(NamedTuple):
    """What became of one image.

    Attributes:
        by: the model that answered it.
        outcome: its answer, or why it has none.
        tried: what a trial has to do with it; None where nothing, see `models.trials.sides.part_in`.
    """

    by: LiveModel
    outcome: Outcome
    tried: Tried | None


def answer_on_trial(
    models: LiveModels, gathering: Gathering, keys: Iterable[str], images: Sequence[Raster]
) -> list[Told]:
    """Has each image be answered by the model whose turn it is; without a trial by the live one, all of them at once.

    Both are asked at once, but where they are timed: there each is asked first in half of the batches, so that neither
    seems the slower one by its place. A model on trial that fails on its own probe image, or once takes too long, is
    given up here, and the live one answers its share; so it does where that one cannot be asked. How long calls take
    is noted; what the answers are is for whoever sees them through.

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
    parts = [part_in(on_trial.trial, key) for key in keys]
    batch = _Batch(models, gathering, on_trial, images, parts)
    if on_trial.trial.mode == "canary":
        batch.answer_as_canary()
    else:
        batch.answer_in_shadow()
    return batch.told


class _Clock:
    """Seconds since it was made, without those in which this thread waited for its turn: of that, both models would
    have their share by how busy each is, and not by how slow."""

    def __init__(self) -> None:
        self._began = time.monotonic() - seconds_waited()

    def seconds(self) -> float:
        return time.monotonic() - seconds_waited() - self._began


class _Batch:
    """One batch on its way; each image is told once."""

    def __init__(
        self,
        models: LiveModels,
        gathering: Gathering,
        on_trial: OnTrial,
        images: Sequence[Raster],
        parts: Sequence[Side | None],
    ) -> None:
        self._models = models
        self._gathering = gathering
        self._new, self._trial = on_trial.model, on_trial.trial
        self._matching = gathering.matching(on_trial.trial)
        self._images = images
        self._parts = parts
        self._tried = [place for place, part in enumerate(parts) if part == "new"]
        self._others = [place for place, part in enumerate(parts) if part != "new"]
        self._told: dict[int, Told] = {}

    @property
    def told(self) -> list[Told]:
        return [self._told[place] for place in range(len(self._images))]

    def answer_as_canary(self) -> None:
        """The new model alone answers those that are tried, the old one the others."""
        tried, others = self._tried, self._others
        pair = min(len(tried), len(others))
        if not pair:
            self._answer_by_one()
            return
        is_timed, outcomes = self._timed(tried[:pair], others[:pair])
        if not is_timed:
            self._tell_new(tried, self._by_both(others))
            return
        rest = self._by_new(tried[pair:], is_timed=False) if outcomes is not None else None
        self._by_old(others[pair:], is_timed=False)
        self._tell_new(tried[:pair], outcomes)
        self._tell_new(tried[pair:], rest)

    def answer_in_shadow(self) -> None:
        """The old model answers all, and the new one those that are tried, for comparing alone."""
        tried, everything = self._tried, range(len(self._images))
        outcomes: list[Outcome] | None = None
        if not tried:
            self._by_old(everything, is_timed=False)
        else:
            is_timed, outcomes = self._timed(tried, tried)
            if is_timed:
                self._by_old(self._others, is_timed=False)
            else:
                outcomes = self._by_both(everything)
        for place in everything:
            self._told[place] = self._told[place]._replace(tried=None)
        for place, outcome in zip(tried, outcomes or (), strict=False):
            told = self._told[place]
            if told.by.reference != self._new.reference:  # it was promoted meanwhile, and is no shadow any more
                other = None if isinstance(outcome, ImageError) else gist_of(outcome)
                self._told[place] = told._replace(tried=Tried(self._trial.number, "old", other))

    def _answer_by_one(self) -> None:
        """Of a canary's batch that is wholly tried, or not at all; such ones are timed too, as many of each.

        Either model is woken up for that by one image more: the new one sleeps longer between its calls.
        """
        matching = self._matching
        if self._trial.share >= 1:  # nothing to compare it with
            self._tell_new(self._tried, self._by_new(self._tried))
            return
        if self._tried:
            with self._timing() as first:
                is_there = first is None or self._by_new(self._tried[:1], is_timed=False) is not None
                outcomes = self._by_new(self._tried, is_timed=first is not None) if is_there else None
            if first is not None and matching is not None and outcomes is not None and _is_whole(outcomes):
                matching.owe()
            self._tell_new(self._tried, outcomes)
            return
        is_owed = matching is not None and matching.take_owed()
        with self._undisturbed() if is_owed else contextlib.nullcontext(False) as is_timed:
            if is_timed:
                self._by_old(self._others[:1], is_timed=False)
            self._by_old(self._others, is_timed=is_timed)
        if matching is not None and is_owed and not is_timed:
            matching.owe()

    def _timed(self, tried: Sequence[int], others: Sequence[int]) -> tuple[bool, list[Outcome] | None]:
        """Has each model answer as many, one after the other, if both are timed in this batch.

        Returns:
            Whether they are; and what the new one answered, see `_by_new`.
        """
        with self._timing() as first:
            if first is None:
                return False, None
            outcomes = self._by_new(tried) if first == "new" else None
            self._by_old(others)
            return True, outcomes if first == "new" else self._by_new(tried)

    @contextlib.contextmanager
    def _timing(self) -> Iterator[Side | None]:
        """Which model is asked first, where calls of this batch are timed; else None."""
        matching = self._matching
        if matching is None or not matching.is_due(len(self._tried)):
            yield None
            return
        began = time.monotonic()
        with self._undisturbed() as is_timed:
            yield matching.first() if is_timed else None
        if is_timed:
            matching.took(time.monotonic() - began)

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[bool]:
        """Whether other threads ask neither model meanwhile: they ask the old one more often, whose calls would seem to
        take longer. It is so but where another one does the same, or a trial before is not quite over."""
        live = self._models.peek()
        with self._gathering.ahead.timing(self._trial.number) as may_time, contextlib.ExitStack() as alone:
            if not may_time or live is None:
                yield False
                return
            alone.enter_context(self._new.alone())  # first: who has begun with it still has to ask the live one
            alone.enter_context(live.alone())
            yield self._models.peek() is live

    def _tell_new(self, places: Sequence[int], outcomes: list[Outcome] | None) -> None:
        """What the new model answered is the result, what the old one does where that has no answer: no evidence."""
        if outcomes is None:
            self._by_old(places, is_timed=False)
            for place in places:
                self._told[place] = self._told[place]._replace(tried=None)
            return
        by_it = Tried(self._trial.number, "new", None)
        for place, outcome in zip(places, outcomes, strict=True):
            self._told[place] = Told(self._new, outcome, by_it)

    def _by_both(self, old_ones: Sequence[int]) -> list[Outcome] | None:
        """Both at once: what the new model makes of those that are tried, while the old one answers others."""
        tried = [self._images[place] for place in self._tried]
        with self._gathering.ahead.of(self._trial.number) as may_begin:
            is_begun = may_begin and len(tried) <= self._new.images_at_once
            asked = [self._new.ask(tried)] if is_begun else []
            by_new = cache(partial(self._by_new, self._tried, False, asked))

            def before(model: LiveModel | None) -> None:
                # It has room for few, and others wait for that: so do those who wait for another model to be loaded.
                if model is None or model.engine is self._new.engine:
                    by_new()

            try:
                self._by_old(old_ones, is_timed=False, before=before)
            except BaseException:
                with contextlib.suppress(ModelsClosed):
                    by_new()
                raise
            return by_new()

    def _by_old(
        self,
        places: Sequence[int],
        is_timed: bool = True,
        before: Callable[[LiveModel | None], None] = lambda model: None,
    ) -> None:
        """The old model answers; of two calls in a row the second finds its process awake, and is not timed."""
        if not places:
            return
        began, live = _Clock(), self._models.peek()
        by, outcomes = answer(self._models, [self._images[place] for place in places], before)
        # The trial may end at any moment, by going live of the model that is tried.
        side: Side = "new" if by.reference == self._new.reference else "old"
        if is_timed and by is live:  # no other had to be waited for
            self._note(side, outcomes, began.seconds())
        tried = Tried(self._trial.number, side, None)
        for place, outcome in zip(places, outcomes, strict=True):
            self._told[place] = Told(by, outcome, tried if self._parts[place] else None)

    def _by_new(
        self, places: Sequence[int], is_timed: bool = True, asked: list[Callable[[], Outputs]] | None = None
    ) -> list[Outcome] | None:
        """Its answers; None where it has none: it is unfit, or could not be asked.

        Args:
            places: of the images.
            is_timed: whether it is noted how long that takes.
            asked: what waits for all of its answers, where it was asked already; taken out.
        """
        if not places:
            return []
        if not asked and self._models.is_quarantined(self._new):  # by another thread, for which this one waited
            return None
        began = _Clock()
        try:
            outcomes = self._answers([self._images[place] for place in places], asked)
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
            self._note("new", outcomes, began.seconds())
        return outcomes

    def _answers(self, images: Sequence[Raster], asked: list[Callable[[], Outputs]] | None) -> list[Outcome]:
        """What the new model answers.

        Raises:
            ModelUnfit: it fails on its own probe image too.
            MachineFailed: it took too long, and answers to its own probe image; or this process could not ask it.
            ModelsClosed: the program is ending.
        """
        try:
            return answers(self._new, images, partial(self._predicted, asked or []))
        except (ModelsClosed, ModelUnfit):
            raise
        except Exception as error:  # no image's fault, such as another number of answers than of images
            self._new.require_fit()
            raise MachineFailed(ImageFault.PREDICTION_FAILED, typed_line(error)) from error

    def _predicted(self, asked: list[Callable[[], Outputs]], images: Sequence[Raster]) -> Outputs:
        """As `LiveModel.predict`; only what tells of single images is looked for further, by halving."""
        try:
            return asked.pop()() if asked else self._new.predict(images)
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
        if not _is_whole(outcomes):
            return
        with self._gathering.noting(self._trial) as evidence:
            evidence.called(side, len(outcomes), seconds)


def _is_whole(outcomes: Sequence[Outcome]) -> bool:
    """Whether no image was at fault, in search of which the model is asked several times."""
    return not any(isinstance(outcome, ImageError) for outcome in outcomes)
