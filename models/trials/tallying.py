"""What was seen, as the arrays that are judged."""

from __future__ import annotations

import numpy as np

from models.reference import Mode
from models.trials.counts import BoundedCounts
from models.trials.criteria import Sureness, Times
from models.trials.evidence import Evidence
from models.trials.intervals import Floats
from models.trials.latencies import BINS, SIZES, Latencies
from models.trials.rules import Tally
from models.trials.scores import Scores


def tally_of(evidence: Evidence, mode: Mode) -> Tally:
    """One trial's evidence as arrays without dimensions but their last ones, float64.

    A shadow's failures are those of pairs: images that one model answered and the other did not.
    """
    old, new, paired = evidence.old, evidence.new, evidence.paired
    is_paired = mode == "shadow" and paired.images > 0
    old_labels, new_labels = _labels(old.labels, new.labels)
    sides = [old.right, old.labelled - old.right, new.right, new.labelled - new.right]
    return Tally(
        old_images=_array(paired.images if is_paired else old.images),
        new_images=_array(paired.images if is_paired else new.images),
        old_failed=_array(paired.new_alone if is_paired else old.failed),
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
