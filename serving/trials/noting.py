"""What the server saw of both models of a trial goes into this process's evidence, once clients have their answers."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np

from models.answering import meaning_of
from models.errors import ImageError
from models.reference import Mode, StatedTrial
from models.trials.differing import REQUESTED
from models.trials.evidence import Evidence, Side
from models.trials.gist import Gist, gist_of
from serving.asking import Asked
from serving.batching import Computed
from serving.outputs import Answers
from serving.preparing import Job
from serving.trials.part import Part

_MATCHED_EVERY = 4
"""Batches of the new model: after one of so many the old one answers as many images in a call of their own."""
_LONGEST_NAME = 101
"""An id, a space and a digest, see `serving.trials.sides.key_of`."""

Counted = Callable[[Mode, Side, int], None]
"""Is told that the requests of so many images had their part in a trial."""


class Notes(Protocol):
    """Where a process gathers what it knows of the trial under way, see `models.trials.gathering.Gathering`."""

    def noting(self, trial: StatedTrial) -> AbstractContextManager[Evidence]:
        """The evidence of a trial, for one thread alone meanwhile."""
        ...


class Noting:
    """Watches what models compute. Threads may tell it side by side.

    Args:
        notes: where evidence is gathered.
        counted: is told what was noted of a canary.
        shadowed: is handed the part of each batch of which the new model is to be asked as well.
        match: has the old model answer so many images in a call of their own next.
    """

    def __init__(
        self, notes: Notes, counted: Counted, shadowed: Callable[[Computed], None], match: Callable[[int], None]
    ) -> None:
        self._notes = notes
        self._counted = counted
        self._shadowed = shadowed
        self._match = match
        self._batches_of_new = itertools.count()

    def computed(self, batch: Computed) -> None:
        """Takes in what a batch came to."""
        of: dict[tuple[StatedTrial, Side], list[_Seen]] = {}
        asked_too = Computed(batch.model, [], [], batch.seconds, batch.is_whole)
        for job, answers in zip(batch.jobs, batch.answers, strict=True):
            part = job.part  # the event loop takes it away where nobody waits any more
            if part is not None and part.is_shadowed:
                asked_too.jobs.append(job)
                asked_too.answers.append(answers)
            elif part is not None:
                of.setdefault((part.trial, part.side), []).append(_Seen(job, part, answers))
        for (trial, side), group in of.items():
            self._note(trial, side, batch, [each for each in group if is_comparable(each.job.asked)])
        if asked_too.jobs:
            self._shadowed(asked_too)

    def failed(self, part: Part, images: int) -> None:
        """Takes in that a request of so many images has no answer, and never will have: it came to no batch, or nobody
        waits for that any more."""
        if not part.is_shadowed:
            with self._notes.noting(part.trial) as evidence:
                evidence.answered(part.side, None)
            self._counted(part.trial.mode, part.side, images)

    def _note(self, trial: StatedTrial, side: Side, batch: Computed, group: Sequence[_Seen]) -> None:
        found = [(each.part, gist_drawn(each.answers, drawn(each.part, each.job.asked.rows))) for each in group]
        with self._notes.noting(trial) as evidence:
            if batch.is_whole:
                evidence.called(side, batch.images, batch.seconds)
            for part, gist in found:
                evidence.answered(side, gist, name_of(part))
        self._counted(trial.mode, side, sum(each.job.asked.rows for each in group))
        if side == "new" and next(self._batches_of_new) % _MATCHED_EVERY == 0:
            self._match(batch.images)


class _Seen(NamedTuple):
    """A request of a batch, its part in a trial, and what the model gave."""

    job: Job
    part: Part
    answers: Answers | None


def name_of(part: Part) -> str:
    """What a request is called where people read of it; nobody takes that for a path."""
    return REQUESTED + part.key[:_LONGEST_NAME]


def drawn(part: Part, rows: int) -> int:
    """The row that stands for a request of so many, the same one for both models.

    The images of a request are often alike: frames of one scene. What is drawn by chance in a trial is the request,
    and all its rows would be taken for as many independent ones.
    """
    return (
        int.from_bytes(hashlib.sha256(f"row\n{part.key}".encode("utf-8", "surrogatepass")).digest()[:8], "big") % rows
    )


def gist_drawn(answers: Answers | None, row: int) -> Gist | None:
    """What a model's answer to one image of a request comes down to; None where it has no answer to the request."""
    if answers is None:
        return None
    found = meaning_of(lambda: gist_of(answers.prediction(row)))
    return None if isinstance(found, ImageError) else found


def is_comparable(asked: Asked) -> bool:
    """Whether an answer tells something of the model: what it makes of numbers that are none does not."""
    return asked.tensor is None or bool(np.isfinite(asked.tensor.values).all())
