"""What a trial has to do with one image: it goes with the image's answer."""

from __future__ import annotations

from typing import NamedTuple

from models.trials.evidence import Side
from models.trials.gist import Gist


class Tried(NamedTuple):
    """That an image was answered while a model was tried.

    Attributes:
        number: of the trial.
        side: which model's answer this is: `new` is the one that is tried.
        other: in the shadow, what the other model said to it; None in a canary, and where that one has no answer.
    """

    number: int
    side: Side
    other: Gist | None
