"""What was seen, as the arrays that are judged."""

from __future__ import annotations

import numpy as np

from models.reference import Mode
from models.trials.counts import BoundedCounts
from models.trials.criteria import Sureness, Times
from models.trials.evidence import Evidence, SideEvidence
from models.trials.intervals import Floats
from models.trials.latencies import BINS, SIZES, Latencies
from models.trials.rules import Tally
from models.trials.scores import Scores


def tally_of(evidence: Evidence, mode: Mode, earlier: Evidence | None = None, is_alone: bool = False) -> Tally:
    """One trial's evidence as arrays without dimensions but their last ones, float64.

    A shadow's failures are those of pairs: images that one model answered and the other did not.

    Args:
        evidence: of the step.
        mode: of the trial.
        earlier: of the steps before; needed where the new model is alone.
        is_alone: whether the new model answers all of the step. What the old one answered all the same comes of
            processes that have no new model, and is no fair sample.
    """
    old, new, paired = evidence.old, evidence.new, evidence.paired
    if is_alone:
        old = SideEvidence()
    before = earlier.old if is_alone and earlier is not None else old
    is_paired = mode == "shadow" and paired.images > 0
    old_labels, new_labels = _labels(old.labels, new.labels)
    sides = [old.right, old.labelled - old.right, new.right, new.labelled - new.right]
    covered = min(old.labelled / max(old.answered, 1), new.labelled / max(new.answered, 1))
    return Tally(
        old_images=_array(paired.images if is_paired else before.images),
        new_images=_array(paired.images if is_paired else new.images),
        old_failed=_array(paired.new_alone if is_paired else before.failed),
        new_failed=_array(paired.old_alone if is_paired else new.failed),
        alike=_array(paired.alike),
        compared=_array(paired.alike + paired.unlike),
        old_labels=old_labels,
        new_labels=new_labels,
        old_scores=_sureness(old.scores),
        new_scores=_sureness(new.scores),
        old_times=_times(old.latencies),
        new_times=_times(new.latencies),
        labelled=_array(paired.labelled if mode == "shadow" else sides),
        covered=_array(sum(paired.labelled) / max(paired.images, 1) if mode == "shadow" else covered),
    )


def _array(value: float | list[int]) -> Floats:
    return np.asarray(value, np.float64)


def _labels(old: BoundedCounts, new: BoundedCounts) -> tuple[Floats, Floats]:
    # What one of them no longer keeps is among the rest of both, so that no label is compared with a part of itself.
    known = [name for name, _ in [*old.items(), *new.items()] if old.keeps(name) and new.keeps(name)]
    names = list(dict.fromkeys(known))
    told = []
    for counts in (old, new):
        each = [counts[name] for name in names]
        told.append(_array([*each, counts.total - sum(each)]))
    return told[0], told[1]


def _sureness(scores: Scores) -> Sureness:
    return Sureness(_array(scores.bins), _array(scores.mean), _array(scores.variance))


def _times(latencies: Latencies) -> Times:
    times = Times(np.zeros((SIZES, BINS)), np.zeros((SIZES, BINS)))
    for size, place, calls, total in latencies.bins():
        times.calls[size, place] += calls
        times.sums[size, place] += total
    return times
