"""Streams of answers by models whose quality is known, judged at every hundredth image by the rules of a real trial."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.reference import Mode
from models.trials.criteria import Sureness, Times
from models.trials.intervals import Floats
from models.trials.latencies import BINS, FASTEST, WIDTH
from models.trials.matching import Matching
from models.trials.rules import Tally, Verdicts, decide
from models.trials.scores import SCORE_BINS
from models.trials.sides import COMPARED
from models.trials.terms import Limits

Ints = NDArray[np.int64]

IMAGES_A_LOOK = 100
"""That the new model is asked about between two judgements."""
SHADOW_SHARE, CANARY_SHARE = 0.1, 0.25
LABELLED_SHARE = 0.5
"""Of images whose true label is told, where any are."""
_LABELS = 10
_IMAGES_A_BATCH = 4
"""That the new model is asked about."""
_SECONDS, _SPREAD, _LOAD_SPREAD = 0.004, 0.3, 0.2
_OLD_ACCURACY = 0.9
_SAME_MISTAKE = 0.5


@dataclass(frozen=True, slots=True)
class World:
    """What comes by in a stream.

    Attributes:
        share: of the images that a canary's new model answers.
        old_accuracy: how often the old model is right.
        labels: how often each label comes, adding up to 1; None: all equally often.
    """

    share: float = CANARY_SHARE
    old_accuracy: float = _OLD_ACCURACY
    labels: tuple[float, ...] | None = None

    def draws(self, images: int, rng: np.random.Generator) -> Ints:
        """True labels of so many images."""
        if self.labels is None:
            return rng.integers(_LABELS, size=images)
        return rng.choice(_LABELS, size=images, p=self.labels).astype(np.int64)


USUAL_WORLD = World()


@dataclass(frozen=True, slots=True)
class Planted:
    """A new model beside an old one that is right nine times in ten.

    Attributes:
        name: in a word.
        keeps: how often it is right where the old one is.
        mends: how often it is right where the old one is not.
        sureness: alpha and beta of its scores (a beta distribution); the old one's are 9 and 1.
        failures: share of images that it does not answer.
        slowness: its time for an image as a multiple of the old one's.
        favours: the share of its mistakes that are the label 1, besides what chance gives.
        right: what must become of it. `open` is what is rolled back when time is up, unless people say otherwise.
    """

    name: str
    keeps: float
    mends: float
    sureness: tuple[float, float] = (9.0, 1.0)
    failures: float = 0.0
    slowness: float = 1.0
    favours: float = 0.0
    right: tuple[Literal["proved", "worse", "open"], ...] = ("proved",)

    @property
    def accuracy(self) -> float:
        """Of the answers that it gives."""
        return _OLD_ACCURACY * self.keeps + (1 - _OLD_ACCURACY) * self.mends


PLANTED = (
    Planted("better", keeps=0.99, mends=0.6, sureness=(12.0, 1.0)),
    Planted("worse", keeps=0.85, mends=0.35, sureness=(6.0, 1.5), favours=0.2, right=("worse",)),
    Planted("slower", keeps=0.98, mends=0.18, slowness=3.0, right=("worse",)),
    Planted("dying", keeps=0.98, mends=0.18, failures=0.001, right=("worse", "open")),
    Planted("equal", keeps=0.98, mends=0.18),
)
"""One that is better, one worse, one three times as slow, one that dies on one image in a thousand, one equal."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one planted model in many streams.

    Attributes:
        decisions: of each stream: `proved`, `worse` or, where all of it was not enough, `open`.
        images: that the new model had been asked about by then.
    """

    decisions: NDArray[np.str_]
    images: Ints

    def right(self, planted: Planted) -> float:
        """The share of streams with the right verdict."""
        return float(np.isin(self.decisions, planted.right).mean())


def try_out(planted: Planted, mode: Mode, seeds: Sequence[int], looks: int, *, with_labels: bool) -> Ended:
    """Tries one model in as many streams as there are seeds, until it is decided or all looks were taken.

    Args:
        planted: the new model.
        mode: `shadow` of `SHADOW_SHARE`, or `canary` of `CANARY_SHARE`.
        seeds: of each stream.
        looks: at most, `IMAGES_A_LOOK` images of the new model each.
        with_labels: whether true labels of `LABELLED_SHARE` are told, so that a verdict waits for them.
    """
    streams = [stream(planted, mode, seed, looks, with_labels=with_labels) for seed in seeds]
    return first_decision(decide(side_by_side(streams), mode, Limits(), needs_labels=with_labels))


def try_out_in_steps(
    planted: Planted, worlds: Sequence[World], seeds: Sequence[int], looks: int, *, with_labels: bool
) -> Ended:
    """Tries one model as a canary of several steps, each of which finds another world and is judged by itself.

    Args:
        planted: the new model.
        worlds: one for each step.
        seeds: of each stream.
        looks: of each step, at most; all of them but in the last one, as long as nothing is broken.
        with_labels: whether true labels of `LABELLED_SHARE` are told.
    """
    decisions, images = np.full(len(seeds), "open", dtype="<U6"), np.zeros(len(seeds), np.int64)
    for step, world in enumerate(worlds):
        is_last = step == len(worlds) - 1
        streams = [
            stream(planted, "canary", seed + 1_000_000 * step, looks, with_labels=with_labels, world=world)
            for seed in seeds
        ]
        verdicts = decide(side_by_side(streams), "canary", Limits(), needs_labels=with_labels)
        ended = first_decision(verdicts if is_last else replace(verdicts, proved=np.zeros_like(verdicts.proved)))
        is_open = decisions == "open"
        decisions = np.where(is_open, ended.decisions, decisions)
        images = np.where(is_open, images + ended.images, images)
    return Ended(decisions, images)


def looks_of(planted: Planted) -> int:
    """How long a model is tried: 30,000 images where it is to be promoted, half of that where it is not."""
    return 300 if planted.right == ("proved",) else 150


def first_decision(verdicts: Verdicts) -> Ended:
    """When each stream was decided first, and how; verdicts are of (streams, looks)."""
    decided = verdicts.worse | verdicts.proved
    is_decided = decided.any(axis=1)
    look = np.where(is_decided, decided.argmax(axis=1), decided.shape[1] - 1)
    is_worse = np.take_along_axis(verdicts.worse, look[:, None], axis=1)[:, 0]
    decisions = np.where(is_decided, np.where(is_worse, "worse", "proved"), "open")
    return Ended(decisions, (look + 1) * IMAGES_A_LOOK)


def stream(
    planted: Planted, mode: Mode, seed: int, looks: int, *, with_labels: bool, world: World = USUAL_WORLD
) -> Tally:
    """One stream as it is counted up to each look: arrays of (looks, …). See `try_out`."""
    rng = np.random.default_rng([seed, *planted.name.encode(), mode == "canary"])
    images = looks * IMAGES_A_LOOK
    truth = world.draws(images, rng)
    old, new = _answers(planted, truth, rng, world)
    died = rng.random(images) < planted.failures
    if mode == "canary":
        # The others of the stream: the old model alone answers them, and nobody knows what the new one had said.
        others = round(images * min((1 - world.share) / world.share, COMPARED))
        truth_of_old = world.draws(others, rng)
        old, _ = _answers(planted, truth_of_old, rng, world)
    else:
        truth_of_old = truth
    answered = ~died
    old_right, new_right = old == truth_of_old, new == truth
    is_told = [rng.random(right.size) < (LABELLED_SHARE if with_labels else 0) for right in (old_right, new_right)]
    if mode == "shadow":
        told, pair = is_told[1] & answered, 2 * old_right + new_right
        labelled = _counts(pair[told], np.flatnonzero(told), looks, images, 4)
        alike = _counts((old == new)[answered].astype(int), np.flatnonzero(answered), looks, images, 2)
    else:
        by_side = [
            _counts((~right[told]).astype(int), np.flatnonzero(told), looks, right.size, 2)
            for right, told in ((old_right, is_told[0]), (new_right, is_told[1] & answered))
        ]
        labelled, alike = np.concatenate(by_side, axis=-1), np.zeros((looks, 2))
    old_scores, new_scores = rng.beta(9.0, 1.0, old.size), rng.beta(*planted.sureness, new.size)
    at_new, at_old = np.flatnonzero(answered), np.arange(old.size)
    calls = _looks_with_calls(images)
    load = rng.normal(0, _LOAD_SPREAD, looks)[calls]
    return Tally(
        old_images=_up_to(old.size, looks),
        new_images=_up_to(images, looks),
        old_failed=np.zeros(looks),
        new_failed=_counts(np.zeros(died.sum(), int), np.flatnonzero(died), looks, images, 1)[..., 0],
        alike=alike[:, 1],
        compared=alike.sum(-1),
        old_labels=_counts(old, at_old, looks, old.size, _LABELS),
        new_labels=_counts(new[answered], at_new, looks, images, _LABELS),
        old_scores=_sureness(old_scores, at_old, looks, old.size),
        new_scores=_sureness(new_scores[answered], at_new, looks, images),
        old_times=_times(rng.normal(load, _SPREAD), calls, looks, 1.0),
        new_times=_times(rng.normal(load, _SPREAD), calls, looks, planted.slowness),
        labelled=labelled,
        covered=np.full(looks, LABELLED_SHARE if with_labels else 0.0),
    )


def _answers(planted: Planted, truth: Ints, rng: np.random.Generator, world: World) -> tuple[Ints, Ints]:
    old_right = rng.random(truth.size) < world.old_accuracy
    old = np.where(old_right, truth, _mistaken(truth, rng))
    new_right = rng.random(truth.size) < np.where(old_right, planted.keeps, planted.mends)
    is_same = ~old_right & (rng.random(truth.size) < _SAME_MISTAKE)
    mistake = np.where(is_same, old, _mistaken(truth, rng))
    mistake = np.where((rng.random(truth.size) < planted.favours) & (truth != 1), 1, mistake)
    return old, np.where(new_right, truth, mistake)


def _mistaken(truth: Ints, rng: np.random.Generator) -> Ints:
    return (truth + rng.integers(1, _LABELS, truth.size)) % _LABELS


def _up_to(images: int, looks: int) -> Floats:
    return np.arange(1, looks + 1, dtype=np.float64) * (images // looks)


def _counts(kinds: Ints, at: Ints, looks: int, images: int, most: int) -> Floats:
    """How often each kind came up to each look: (looks, most)."""
    look = at * looks // images
    counted = np.bincount(look * most + kinds, minlength=looks * most).reshape(looks, most)
    return counted.cumsum(axis=0).astype(np.float64)


def _sureness(scores: Floats, at: Ints, looks: int, images: int) -> Sureness:
    bins = _counts(np.minimum((scores * SCORE_BINS).astype(int), SCORE_BINS - 1), at, looks, images, SCORE_BINS)
    look, of = at * looks // images, np.maximum(bins.sum(-1), 1)
    mean = np.bincount(look, scores, looks).cumsum() / of
    return Sureness(bins, mean, np.bincount(look, scores**2, looks).cumsum() / of - mean**2)


@cache
def _looks_with_calls(images: int) -> Ints:
    """Of each call that is timed, before which look it was: in a stream so full that there is no time for more."""
    clock = itertools.count(step=_SECONDS)
    matching = Matching(lambda: next(clock))
    timed = []
    for image in range(images):
        if matching.is_due(1):
            timed.append(image)
            matching.first()
            matching.took(_IMAGES_A_BATCH * _SECONDS)
    return np.array(timed, np.int64) // IMAGES_A_LOOK


def _times(noise: Floats, look: Ints, looks: int, slowness: float) -> Times:
    """Of calls of one size, in the bins that such times can have: (looks, 1, bins)."""
    logs = np.log(_SECONDS * slowness) + noise
    first = int((np.log(_SECONDS / 10) - np.log(FASTEST)) / WIDTH)
    place = np.clip(((logs - np.log(FASTEST)) / WIDTH).astype(int), first, BINS - 1) - first
    most = min(60, BINS - first)
    place = np.minimum(place, most - 1)
    calls = np.bincount(look * most + place, minlength=looks * most).reshape(looks, 1, most)
    sums = np.bincount(look * most + place, logs, looks * most).reshape(looks, 1, most)
    return Times(calls.cumsum(axis=0).astype(np.float64), sums.cumsum(axis=0))


def side_by_side(streams: Sequence[Tally]) -> Tally:
    """Several streams of as many looks as arrays of (streams, looks, …)."""

    def stacked(name: str) -> Floats:
        return np.stack([getattr(each, name) for each in streams])

    def scores(name: str) -> Sureness:
        return Sureness(*(np.stack(parts) for parts in zip(*(getattr(each, name) for each in streams), strict=True)))

    def times(name: str) -> Times:
        return Times(*(np.stack(parts) for parts in zip(*(getattr(each, name) for each in streams), strict=True)))

    return Tally(
        **{name: stacked(name) for name in (
            "old_images", "new_images", "old_failed", "new_failed", "alike", "compared", "old_labels", "new_labels",
            "labelled", "covered",
        )},
        old_scores=scores("old_scores"), new_scores=scores("new_scores"),
        old_times=times("old_times"), new_times=times("new_times"),
    )  # fmt: skip
