"""What the server saw of both models of a trial goes into this process's evidence, once clients have their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from models.answering import meaning_of
from models.artefacts import Manifest
from models.engines.engine import Outputs
from models.errors import ImageError
from models.images.decoding import Raster
from models.reference import Mode, StatedTrial
from models.trials.differing import REQUESTED
from models.trials.evidence import Evidence, Side
from models.trials.gist import Gist, gist_of
from serving.asking import Asked
from serving.batching import Computed
from serving.outputs import interpreted
from serving.preparing import Job
from serving.trials.part import Part

_LONGEST_NAME = 100

Counted = Callable[[Mode, Side, int], None]
"""Is told that so many images had their part in a trial."""


class Notes(Protocol):
    """Where a process gathers what it knows of the trial under way, see `models.trials.gathering.Gathering`."""

    def noting(self, trial: StatedTrial) -> AbstractContextManager[Evidence]:
        """The evidence of a trial, for one thread alone meanwhile."""
        ...

    def is_matched(self) -> bool:
        """Whether this batch is one of those in which both models are timed on as many images."""
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

    def computed(self, batch: Computed) -> None:
        """Takes in what a batch came to."""
        of: dict[tuple[StatedTrial, Side], list[tuple[Job, Part, Sequence[Outputs | ImageError]]]] = {}
        asked_too = Computed(batch.model, [], [], batch.seconds)
        for job, rows in zip(batch.jobs, batch.rows, strict=True):
            if job.part is not None and job.part.is_shadowed:
                asked_too.jobs.append(job)
                asked_too.rows.append(rows)
            elif job.part is not None:
                of.setdefault((job.part.trial, job.part.side), []).append((job, job.part, rows))
        for (trial, side), group in of.items():
            self._note(trial, side, batch, group)
        if asked_too.jobs:
            self._shadowed(asked_too)

    def _note(
        self,
        trial: StatedTrial,
        side: Side,
        batch: Computed,
        group: Sequence[tuple[Job, Part, Sequence[Outputs | ImageError]]],
    ) -> None:
        seen: list[tuple[str, Gist | None]] = []
        for job, part, rows in group:
            if is_comparable(job.asked):
                manifest = batch.model.manifest
                seen += zip(names(part, len(rows)), gists(rows, manifest, job.outlines), strict=True)
        with self._notes.noting(trial) as evidence:
            if batch.is_whole:
                evidence.called(side, batch.images, batch.seconds)
            for name, gist in seen:
                evidence.answered(side, gist, name)
        self._counted(trial.mode, side, len(seen))
        if side == "new" and self._notes.is_matched():
            self._match(batch.images)


def names(part: Part, rows: int) -> list[str]:
    """What each image of a request is called where people read of it; nobody takes that for a path."""
    key = REQUESTED + part.key[:_LONGEST_NAME]
    return [key] if rows == 1 else [f"{key} {row + 1}/{rows}" for row in range(rows)]


def gists(
    rows: Sequence[Outputs | ImageError], manifest: Manifest, outlines: Sequence[Raster | None]
) -> list[Gist | None]:
    """What a model's answers come down to; None for each image that it has no answer to."""

    def gist(row: Outputs | ImageError, outline: Raster | None) -> Gist | None:
        if isinstance(row, ImageError):
            return None
        found = meaning_of(lambda: gist_of(interpreted(row, manifest, outline)))
        return None if isinstance(found, ImageError) else found

    return [gist(row, outline) for row, outline in zip(rows, outlines, strict=True)]


def is_comparable(asked: Asked) -> bool:
    """Whether an answer tells something of the model: what it makes of numbers that are none does not."""
    return asked.tensor is None or bool(np.isfinite(asked.tensor.values).all())
