"""The criteria that a new model is held to: counts in, bounds and decisions out.

Every function takes arrays of any one shape (a judgement has a single element, a simulation thousands) and answers what
is certain within `models.trials.intervals.ERROR`, however often it is asked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.trials.intervals import ERROR, Bounds, Floats, difference_of_shares, mean, share, stability_index
from models.trials.latencies import WIDTH

Mask = NDArray[np.bool_]

LEAST_CALLS = 20
"""Of each model, so that calls of one size are compared."""
_LEAST_IN_BIN = 10
_TRIMMED = 0.05
_CALLS_ALIKE = 2.0
_BEST_CALLS, _BEST_IMAGES = 200, 2_000
_AS_SURE = 0.02
_SMALLEST_LIMIT = 1e-6


class Ruled(NamedTuple):
    """What one criterion says, arrays of one shape.

    Attributes:
        bounds: of what it is about.
        worse: whether the new model certainly breaks the limit.
        proved: whether it certainly keeps it.
    """

    bounds: Bounds
    worse: Mask
    proved: Mask

    def where(self, mask: ArrayLike, other: Ruled) -> Ruled:
        """This where the mask is true, else another one."""
        bounds = (np.where(mask, mine, others) for mine, others in zip(self.bounds, other.bounds, strict=True))
        worse, proved = np.where(mask, self.worse, other.worse), np.where(mask, self.proved, other.proved)
        return Ruled(Bounds(*bounds), worse, proved)


class Sureness(NamedTuple):
    """Scores of one model.

    Attributes:
        bins: counts, (..., 10).
        mean: (...).
        variance: (...).
    """

    bins: Floats
    mean: Floats
    variance: Floats


class Times(NamedTuple):
    """Calls of one model.

    Attributes:
        calls: counts by kind of call and bin, (..., sizes, bins).
        sums: of the natural logarithms of their seconds for an image, of the same shape.
    """

    calls: Floats
    sums: Floats


def failures(
    old_failed: ArrayLike, old_images: ArrayLike, new_failed: ArrayLike, new_images: ArrayLike, limit: float
) -> Ruled:
    """Of the share of images with no answer, beyond that of the old model; of a pair, that the other one answered.

    An answer that was lost cannot be got back: a model that fails just as often as the limit is promoted in one of 400
    trials at most.
    """
    near, error = max(limit, _SMALLEST_LIMIT), ERROR / 2
    bounds = difference_of_shares(old_failed, old_images, new_failed, new_images, near, error)
    return Ruled(bounds, bounds.low > limit, bounds.high <= limit)


def failures_alone(failed: ArrayLike, images: ArrayLike, limit: float) -> Ruled:
    """Of the share of images with no answer, beside an old model that never failed."""
    bounds = share(failed, images, max(limit, _SMALLEST_LIMIT), ERROR / 2)
    return Ruled(bounds, bounds.low > limit, bounds.high <= limit)


def agreement(alike: ArrayLike, compared: ArrayLike, limit: float) -> Ruled:
    """Of the share of images to which both models give one label."""
    bounds = share(alike, compared)
    return Ruled(bounds, bounds.high < limit, bounds.low >= limit)


def label_drift(old: ArrayLike, new: ArrayLike, limit: float) -> Ruled:
    """Of the population stability index of both models' labels, (..., labels); rare labels are taken together."""
    before, after = np.asarray(old, np.float64), np.asarray(new, np.float64)
    is_rare = before + after < _LEAST_IN_BIN
    bounds = stability_index(_together(before, is_rare), _together(after, is_rare), _BEST_IMAGES)
    return Ruled(bounds, bounds.low > limit, bounds.high <= limit)


def score_drift(old: Sureness, new: Sureness, limit: float) -> Ruled:
    """Of the population stability index of both models' scores, where the new one is certainly the less sure.

    A mean score that is lower by less than 0.02 is no loss.
    """
    index = stability_index(old.bins, new.bins, best_at=_BEST_IMAGES)
    n, m = old.bins.sum(-1), new.bins.sum(-1)
    error = np.sqrt(_variance(old.variance, n) + _variance(new.variance, m))
    surer = mean(new.mean - old.mean, error, np.minimum(n, m), _BEST_IMAGES)
    return Ruled(index, (index.low > limit) & (surer.high < -_AS_SURE), (index.high <= limit) | (surer.low > -_AS_SURE))


def slowdown(old: Times, new: Times, limit: float) -> Ruled:
    """Of the time of a call as a multiple of the old model's, calls of one size against calls of that size.

    Means of logarithms without the longest and shortest twentieth (Yuen, 1974), so that a few calls that had to wait
    for something else change nothing. Their standard errors are doubled: calls that follow each other are alike.
    """
    old_mean, old_error, old_calls = _trimmed(old)
    new_mean, new_error, new_calls = _trimmed(new)
    is_enough = (old_calls >= LEAST_CALLS) & (new_calls >= LEAST_CALLS)
    weight = np.where(is_enough, old_calls * new_calls / np.maximum(old_calls + new_calls, 1), 0.0)
    of = np.maximum(weight.sum(-1), 1e-9)
    value = (weight * (new_mean - old_mean)).sum(-1) / of
    error = _CALLS_ALIKE * np.sqrt((weight**2 * (old_error**2 + new_error**2)).sum(-1)) / of
    fewest = np.where(is_enough, np.minimum(old_calls, new_calls), 0.0).sum(-1)
    told = mean(value, error, fewest, _BEST_CALLS)
    is_told = fewest > 0
    low, high = np.where(is_told, np.exp(told.low), 0.0), np.where(is_told, np.exp(told.high), np.inf)
    bounds = Bounds(np.where(is_told, np.exp(told.value), np.nan), low, high)
    return Ruled(bounds, low > limit, high <= limit)


def accuracy_of_pairs(labelled: ArrayLike, limit: float) -> Ruled:
    """Of (new accuracy - old accuracy) where both answered the same images, as McNemar compares them.

    Args:
        labelled: counts of both wrong, new alone right, old alone right, both right: (..., 4).
        limit: the greatest loss.
    """
    cells = np.asarray(labelled, np.float64)
    images = cells.sum(-1)
    value = (cells[..., 1] - cells[..., 2]) / np.maximum(images, 1)
    # Half an image more in each cell (Agresti and Min, 2005): none that differ is no proof that none ever do.
    gained, lost, of = cells[..., 1] + 0.5, cells[..., 2] + 0.5, images + 2
    variance = (gained + lost - (gained - lost) ** 2 / of) / of**2
    return _accuracy(mean(value, np.sqrt(variance), images, _BEST_IMAGES), limit)


def accuracy_of_sides(
    old_right: ArrayLike, old_images: ArrayLike, new_right: ArrayLike, new_images: ArrayLike, limit: float
) -> Ruled:
    """Of (new accuracy - old accuracy) where each answered images of its own.

    Variances have a right and a wrong answer more for each model (Agresti and Caffo, 2000).
    """
    right, of = np.asarray(old_right, np.float64), np.asarray(old_images, np.float64)
    new, new_of = np.asarray(new_right, np.float64), np.asarray(new_images, np.float64)
    value = new / np.maximum(new_of, 1) - right / np.maximum(of, 1)
    shares = [((hits + 1) / (images + 2), images + 2) for hits, images in ((right, of), (new, new_of))]
    variance = sum(each * (1 - each) / images for each, images in shares)
    return _accuracy(mean(value, np.sqrt(variance), np.minimum(of, new_of), _BEST_IMAGES), limit)


def _accuracy(bounds: Bounds, limit: float) -> Ruled:
    possible = Bounds(bounds.value, np.maximum(bounds.low, -1), np.minimum(bounds.high, 1))
    return Ruled(possible, possible.high < -limit, possible.low >= -limit)


def _together(counts: Floats, is_rare: Mask) -> Floats:
    rare = np.where(is_rare, counts, 0.0).sum(-1, keepdims=True)
    return np.concatenate([np.where(is_rare, 0.0, counts), rare], axis=-1)


def _variance(of_one: Floats, images: Floats) -> Floats:
    # Two scores of 0 and 1 more, as for accuracies: equal scores so far are no proof of equal ones.
    return (of_one * images + 0.5) / (images + 2) / np.maximum(images, 1)


def _trimmed(times: Times) -> tuple[Floats, Floats, Floats]:
    """The trimmed mean, its standard error and the number of calls, of each kind of call: (..., sizes)."""
    calls = times.calls.sum(-1)
    centres = times.sums / np.maximum(times.calls, 1)
    up_to = times.calls.cumsum(-1)
    least, most = _TRIMMED * calls[..., None], (1 - _TRIMMED) * calls[..., None]
    kept = np.clip(up_to, least, most) - np.clip(up_to - times.calls, least, most)
    middle = (kept * centres).sum(-1) / np.maximum(kept.sum(-1), 1e-9)
    shortest, longest = (
        np.take_along_axis(centres, (up_to >= edge).argmax(-1)[..., None], -1)[..., 0] for edge in (least, most)
    )
    off = (kept * (centres - middle[..., None]) ** 2).sum(-1)
    off += _TRIMMED * calls * ((shortest - middle) ** 2 + (longest - middle) ** 2)
    variance = off / np.maximum(calls, 1) + WIDTH**2 / 12
    return middle, np.sqrt(variance / np.maximum(calls, 1)) / (1 - 2 * _TRIMMED), calls
