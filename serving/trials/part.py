"""What part a request has in a trial."""

from __future__ import annotations

from typing import NamedTuple

from models.reference import StatedTrial
from models.trials.evidence import Side


class Part(NamedTuple):
    """That of one request.

    Attributes:
        trial: under way when it came.
        side: that answers it.
        key: by which it is known in the trial; untrusted text.
        is_shadowed: whether the new model is asked as well.
    """

    trial: StatedTrial
    side: Side
    key: str
    is_shadowed: bool = False
