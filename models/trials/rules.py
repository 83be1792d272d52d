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


def decide(tally: Tally, mode: Mode, limits: Limits, needs_labels: bool = False) -> Verdicts:
    """Worse by any criterion that counts is worse; proved by all of them is proved; else nothing is decided yet.

    True labels outrank what stands for them: where they decide, agreement and drift do not count, since a better model
    rightly answers otherwise than the old one. Where they are needed, nothing but them counts for quality.
    """
    ruled = _ruled(tally, mode, limits)
    judged = _judged(tally, mode)
    shape = np.shape(tally.new_images)
    accuracy = ruled["accuracy"]
    is_outranked = np.full(shape, needs_labels) | (judged["accuracy"] & (accuracy.worse | accuracy.proved))
    counted = {
        name: (judged[name] & ~is_outranked) if name in PROXIES else judged[name] for name in ruled
    }  # fmt: skip
    if needs_labels:
        counted["accuracy"] = np.full(shape, True)
    is_enough = tally.new_images >= LEAST_IMAGES
    worse = np.any([ruled[name].worse & judged[name] & counted[name] for name in ruled], axis=0) & is_enough
    proved = np.all([(ruled[name].proved & judged[name]) | ~counted[name] for name in ruled], axis=0)
    return Verdicts(ruled, judged, counted, worse, proved & ~worse & is_enough & (tally.old_images >= LEAST_IMAGES))


def _ruled(tally: Tally, mode: Mode, limits: Limits) -> dict[str, Ruled]:
    told = tally.labelled
    if mode == "shadow":
        accuracy = criteria.accuracy_of_pairs(told, limits.max_accuracy_loss)
    else:
        old_of, new_of = told[..., 0] + told[..., 1], told[..., 2] + told[..., 3]
        accuracy = criteria.accuracy_of_sides(told[..., 0], old_of, told[..., 2], new_of, limits.max_accuracy_loss)
    return {
        "failures": criteria.failures(
            tally.old_failed, tally.old_images, tally.new_failed, tally.new_images, limits.max_failures
        ),
        "slowdown": criteria.slowdown(tally.old_times, tally.new_times, limits.max_slowdown),
        "agreement": criteria.agreement(tally.alike, tally.compared, limits.min_agreement),
        "label_drift": criteria.label_drift(tally.old_labels, tally.new_labels, limits.max_drift),
        "score_drift": criteria.score_drift(tally.old_scores, tally.new_scores, limits.max_drift),
        "accuracy": accuracy,
    }  # fmt: skip


def _judged(tally: Tally, mode: Mode) -> dict[str, Mask]:
    told = tally.labelled
    sides = [told.sum(-1)] if mode == "shadow" else [told[..., :2].sum(-1), told[..., 2:].sum(-1)]
    everywhere = np.full(np.shape(tally.new_images), True)
    return {
        "failures": everywhere,
        "slowdown": everywhere,
        "agreement": (tally.compared > 0) & (mode == "shadow"),
        "label_drift": (tally.old_labels.sum(-1) > 0) | (tally.new_labels.sum(-1) > 0),
        "score_drift": (tally.old_scores.bins.sum(-1) > 0) | (tally.new_scores.bins.sum(-1) > 0),
        "accuracy": np.min(sides, axis=0) >= LEAST_IMAGES,
    }
