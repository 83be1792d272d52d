"""Bounds that hold however often one looks: who judges after each image errs no more often than who judges once.

A verdict is looked for every few seconds, and an interval made for one look is left by chance sooner or later. These
are confidence sequences: with a probability of at least 1 - `error` for each side, the truth is within them at *all*
numbers of images at once. They are functions of what is counted now, and remember no look before.

All of it takes arrays of any one shape, and plain numbers: the simulation in `benchmarks/trials` judges thousands of
streams at once by the very rules of the stream.

Sources: H. Robbins, "Statistical methods related to the law of the iterated logarithm", 1970 (mixtures); S. Howard,
A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021;
I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", 2024. The inequality behind them is Ville's, 1939.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

ERROR = 0.005
"""The probability that a bound, on its side, is ever wrong."""
_BISECTIONS = 50
_FLAT = 0.5
"""Of Jeffreys' prior, flat enough for every share."""
_FLAT_WEIGHT = 0.1


class Bounds(NamedTuple):
    """A value and where it lies, arrays of one shape.

    Attributes:
        value: as it was seen.
        low: the truth is not below.
        high: the truth is not above.
    """

    value: Floats
    low: Floats
    high: Floats


def share(hits: ArrayLike, images: ArrayLike, near: float | None = None, error: float = ERROR) -> Bounds:
    """Bounds of a share, exact for every number of images.

    They are the shares that a mixture of binomials is not 1/`error` times as likely as (Robbins, 1970; Ville, 1939);
    for one look alone it would be the interval of Clopper and Pearson, a little narrower.

    Args:
        hits: counts, any shape.
        images: counts of the same shape; 0 gives 0 to 1.
        near: where the share is expected to be, a small number such as the limit for failures: some more images for
            others, many fewer for it. None: anywhere.
        error: for each side.
    """
    seen, of = np.asarray(hits, np.float64), np.asarray(images, np.float64)
    value = np.divide(seen, of, out=np.zeros(np.broadcast(seen, of).shape), where=of > 0)
    enough = _log_mixture(seen, of, near) + np.log(error)

    def is_possible(truth: Floats) -> NDArray[np.bool_]:
        return _log_likelihood(seen, of, truth) > enough

    return Bounds(
        value, _edge(value, np.zeros_like(value), is_possible), _edge(value, np.ones_like(value), is_possible)
    )


def difference_of_shares(
    old_hits: ArrayLike,
    old_images: ArrayLike,
    new_hits: ArrayLike,
    new_images: ArrayLike,
    near: float | None = None,
    error: float = ERROR,
) -> Bounds:
    """Bounds of (new share - old share): exact, by those of both at half of `error` (Bonferroni).

    Args:
        old_hits: counts, any shape, as the others.
        old_images: counts.
        new_hits: counts; of the same images as the old ones, or of others.
        new_images: counts.
        near: see `share`.
        error: for each side.
    """
    old = share(old_hits, old_images, near, error / 2)
    new = share(new_hits, new_images, near, error / 2)
    return Bounds(new.value - old.value, new.low - old.high, new.high - old.low)


def spread(images: ArrayLike, best_at: float, error: float = ERROR) -> Floats:
    """By how many standard errors a mean may be off, at any number of images.

    The mixture boundary for sums of normal variables (Robbins, 1970), which means of others come close to as there are
    more of them (Waudby-Smith et al., 2024): 3 to 5, where one look would need 2.6.

    Args:
        images: that the mean is of, at least 1; any shape.
        best_at: where it is to be narrowest.
        error: for each side.
    """
    # The best choice for one number of images, equation (10) of Howard et al.
    scale = (-2 * np.log(error) + np.log(1 - 2 * np.log(error))) / best_at
    grown = np.maximum(np.asarray(images, np.float64), 1.0) * scale + 1
    return np.sqrt(2 * grown / (grown - 1) * np.log(np.sqrt(grown) / error))


def mean(value: ArrayLike, standard_error: ArrayLike, images: ArrayLike, best_at: float) -> Bounds:
    """Bounds of a mean, or of a difference of means.

    Args:
        value: any shape, as the others.
        standard_error: of it.
        images: the smaller side's count.
        best_at: see `spread`.
    """
    told = np.asarray(value, np.float64)
    off = np.asarray(standard_error, np.float64) * spread(images, best_at)
    return Bounds(told, told - off, told + off)


def stability_index(old: ArrayLike, new: ArrayLike, best_at: float) -> Bounds:
    """Bounds of the population stability index of two histograms: the sum of (new - old) * log(new / old) of shares.

    Where both are drawn from one distribution of B bins it is (1/n + 1/m) times a chi-square variable of B - 1 degrees
    of freedom (B. Yurdakul, "Statistical properties of population stability index", 2018), and else a noncentral one;
    its centre's bounds come of the normal approximation. The value has what chance alone gives taken off.

    Args:
        old: counts, (..., B); bins with few of both should be added up before.
        new: counts of the same shape.
        best_at: see `spread`.
    """
    before, after = np.asarray(old, np.float64), np.asarray(new, np.float64)
    in_use = before + after > 0
    bins = np.maximum(in_use.sum(axis=-1), 1)
    n, m = before.sum(axis=-1), after.sum(axis=-1)
    # Half an image more for each bin, so that an empty one is rare and not impossible.
    p = np.where(in_use, before + 0.5, 1.0) / (n + bins / 2)[..., None]
    q = np.where(in_use, after + 0.5, 1.0) / (m + bins / 2)[..., None]
    index = np.where(in_use, (q - p) * np.log(q / p), 0.0).sum(axis=-1)
    unit = 1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)
    beyond = index / unit - (bins - 1)
    z2 = spread(np.minimum(n, m), best_at) ** 2
    centre = beyond + 2 * z2
    # (beyond - centre)² = z² (2 (B - 1) + 4 centre), solved for the centre.
    off = np.sqrt(np.maximum(centre**2 - beyond**2 + 2 * (bins - 1) * z2, 0))
    low, high = np.maximum(centre - off, 0) * unit, np.maximum(centre + off, 0) * unit
    return Bounds(np.maximum(beyond, 0) * unit, low, high)


def _log_mixture(hits: Floats, images: Floats, near: float | None) -> Floats:
    if near is None:
        return _log_beta_binomial(hits, images, _FLAT)
    tuned = _log_beta_binomial(hits, images, 5 / max(near, 1e-7))
    return np.logaddexp(
        np.log(_FLAT_WEIGHT) + _log_beta_binomial(hits, images, _FLAT), np.log(1 - _FLAT_WEIGHT) + tuned
    )


def _log_beta_binomial(hits: Floats, images: Floats, misses_before: float) -> Floats:
    # Without the binomial coefficient, which `_log_likelihood` leaves out too.
    special = _special()
    logarithm: Floats = special.betaln(_FLAT + hits, misses_before + images - hits) - special.betaln(
        _FLAT, misses_before
    )
    return logarithm


def _log_likelihood(hits: Floats, images: Floats, truth: Floats) -> Floats:
    special = _special()
    logarithm: Floats = special.xlogy(hits, truth) + special.xlog1py(images - hits, -truth)
    return logarithm


def _edge(inside: Floats, outside: Floats, is_possible: Any) -> Floats:
    """Where possible shares end, between one that is and one that may not be."""
    is_all = is_possible(outside)
    near, far = inside.copy(), outside.copy()
    for _ in range(_BISECTIONS):
        middle = (near + far) / 2
        possible = is_possible(middle)
        near, far = np.where(possible, middle, near), np.where(possible, far, middle)
    return np.where(is_all, outside, far)


def _special() -> Any:
    # Imported when it is first needed: few of the processes that know a trial judge one.
    from scipy import special

    return special
