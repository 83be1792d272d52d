"""What an answer comes down to, for comparing two models: one label and one score, whatever the task."""

from __future__ import annotations

import math
from typing import NamedTuple

from models.tasks.prediction import Detections, Labelled, Mask, Prediction, Ranked

NOTHING = ""
"""The label of an image in which nothing was found."""


class Gist(NamedTuple):
    """One answer in short.

    Attributes:
        label: of the best class; `NOTHING` where none was found; None where the task has none.
        score: of it, 0 to 1; 0.0 where none was found; None where the task has none, or it is not finite.
    """

    label: str | None
    score: float | None


NO_GIST = Gist(None, None)
"""Of bare numbers: two such answers are not compared."""


def gist_of(prediction: Prediction) -> Gist:
    """The best class of a classification, the best of several labels or detections, the largest share of a mask.

    Args:
        prediction: of any task; scores may be any floats.
    """
    match prediction:
        case Ranked(top):
            best = [(each.label, each.score) for each in top[:1]]
        case Labelled(labels):
            best = [(each.label, each.score) for each in labels[:1]]
        case Detections(detections):
            best = [(each.found.label, each.found.score) for each in detections[:1]]
        case Mask(shares=shares):
            best = [(each.label, each.share) for each in shares[:1]]
        case _:
            return NO_GIST
    label, score = best[0] if best else (NOTHING, 0.0)
    return Gist(label, float(score) if math.isfinite(score) else None)
