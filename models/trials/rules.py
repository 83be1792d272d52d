"""Which criteria count, and what they come to: the rules of a verdict, for one trial or for thousands at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.reference import Mode
from models.trials import criteria
from models.trials.criteria import Mask, Ruled, Sureness, Times
from models.trials.intervals import Floats
from models.trials.terms import Limits

LEAST_IMAGES = 100
"""That each model must have been asked about before a verdict; and as many true labels, so that they count."""
PROXIES = ("agreement", "label_drift", "score_drift")
"""What stands for quality as long as true labels do not tell it."""
FAIR_SHARE = 1 / 3
"""Of a model's answers, whose true labels must be told before they outrank what stands for them: fewer may be labels of
those images alone that one model got wrong."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What is judged, arrays of one shape but for their last dimensions.

    Attributes:
        old_images: that the old model was asked about.
        new_images: that the new one was asked about.
        old_failed: images of the old model that have no answer; of pairs, that the new one answered.
        new_failed: likewise.
        alike: pairs of answers with one label.
        compared: pairs of answers that have labels.
        old_labels: counts of labels, (..., labels); none where the task has none.
        new_labels: of the same labels.
        old_scores: see `Sureness`.
        new_scores: see `Sureness`.
        old_times: see `Times`.
        new_times: see `Times`.
        labelled: true labels that were told, (..., 4): of a shadow as `criteria.accuracy_of_pairs` takes them; of
            a canary, right and wrong answers of the old model, then of the new one.
        covered: the share of answers whose true labels were told; of a canary, of the model with the smaller one.
    """

    old_images: Floats
    new_images: Floats
    old_failed: Floats
    new_failed: Floats
    alike: Floats
    compared: Floats
    old_labels: Floats
    new_labels: Floats
    old_scores: Sureness
    new_scores: Sureness
    old_times: Times
    new_times: Times
    labelled: Floats
    covered: Floats


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was decided, arrays of one shape.

    Attributes:
        ruled: by each criterion, by its name.
        judged: whether there was anything to judge by it.
        counted: whether it counts for the verdict.
        worse: whether the new model is rolled back.
        proved: whether it is promoted.
    """

    ruled: Mapping[str, Ruled]
    judged: Mapping[str, Mask]
    counted: Mapping[str, Mask]
    worse: Mask
    proved: Mask


def decide(tally: Tally, mode: Mode, limits: Limits, needs_labels: bool = False, is_alone: bool = False) -> Verdicts:
    """Worse by any criterion that counts is worse; proved by all of them is proved; else nothing is decided yet.

    True labels outrank what stands for them: where they are told for a fair share of the answers and decide, agreement
    and drift do not count, since a better model rightly answers otherwise than the old one. Where labels are needed and
    were not told so far, a broken limit of agreement or drift holds the verdict up, and no more.

    Args:
        tally: what was seen.
        mode: of the trial.
        limits: to keep to.
        needs_labels: whether a verdict waits for true labels.
        is_alone: whether the new model answers all there is (a canary's step of 100 %): nothing compares it with the
            old one, whose failures are those of earlier steps, or none where few were seen.
    """
    ruled = _ruled(tally, mode, limits, is_alone)
    judged = _judged(tally, mode, is_alone)
    shape = np.shape(tally.new_images)
    accuracy = ruled["accuracy"]
    is_fair = judged["accuracy"] & (tally.covered >= FAIR_SHARE)
    is_outranked = is_fair & (accuracy.worse | accuracy.proved | needs_labels)
    counted = {name: (judged[name] & ~is_outranked) if name in PROXIES else judged[name] for name in ruled}
    if needs_labels and not is_alone:
        counted["accuracy"] = np.full(shape, True)
    decisive = [name for name in ruled if not (needs_labels and name in PROXIES)]
    is_enough = tally.new_images >= LEAST_IMAGES
    worse = np.any([ruled[name].worse & judged[name] & counted[name] for name in decisive], axis=0) & is_enough
    proved = np.all([(ruled[name].proved & judged[name]) | ~counted[name] for name in ruled], axis=0)
    is_beside = is_alone | (tally.old_images >= LEAST_IMAGES)
    return Verdicts(ruled, judged, counted, worse, proved & ~worse & is_enough & is_beside)


def _ruled(tally: Tally, mode: Mode, limits: Limits, is_alone: bool) -> dict[str, Ruled]:
    told = tally.labelled
    failures = criteria.failures(
        tally.old_failed, tally.old_images, tally.new_failed, tally.new_images, limits.max_failures
    )
    if is_alone:
        is_known = tally.old_images >= LEAST_IMAGES
        failures = failures.where(
            is_known, criteria.failures_alone(tally.new_failed, tally.new_images, limits.max_failures)
        )
    if mode == "shadow":
        accuracy = criteria.accuracy_of_pairs(told, limits.max_accuracy_loss)
    else:
        old_of, new_of = told[..., 0] + told[..., 1], told[..., 2] + told[..., 3]
        accuracy = criteria.accuracy_of_sides(told[..., 0], old_of, told[..., 2], new_of, limits.max_accuracy_loss)
    return {
        "failures": failures,
        "slowdown": criteria.slowdown(tally.old_times, tally.new_times, limits.max_slowdown),
        "agreement": criteria.agreement(tally.alike, tally.compared, limits.min_agreement),
        "label_drift": criteria.label_drift(tally.old_labels, tally.new_labels, limits.max_drift),
        "score_drift": criteria.score_drift(tally.old_scores, tally.new_scores, limits.max_drift),
        "accuracy": accuracy,
    }  # fmt: skip


def _judged(tally: Tally, mode: Mode, is_alone: bool) -> dict[str, Mask]:
    told = tally.labelled
    sides = [told.sum(-1)] if mode == "shadow" else [told[..., :2].sum(-1), told[..., 2:].sum(-1)]
    everywhere = np.full(np.shape(tally.new_images), True)
    beside = everywhere & (not is_alone)
    labels, scores = (tally.old_labels, tally.new_labels), (tally.old_scores.bins, tally.new_scores.bins)
    return {
        "failures": everywhere,
        "slowdown": beside,
        "agreement": beside & (tally.compared > 0) & (mode == "shadow"),
        "label_drift": beside & _is_seen_of_both(*labels),
        "score_drift": beside & _is_seen_of_both(*scores),
        "accuracy": beside & (np.min(sides, axis=0) >= LEAST_IMAGES),
    }


def _is_seen_of_both(old: Floats, new: Floats) -> Mask:
    """What one model has none of, such as labels where it tells numbers, cannot be compared however long one waits."""
    return (old.sum(-1) > 0) & (new.sum(-1) > 0)
