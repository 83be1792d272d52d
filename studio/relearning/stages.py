"""How far a run is, of its whole: each step's share of the time, and what it does in words for people."""

from __future__ import annotations

from typing import NamedTuple

from studio.relearning.job import Progress


class _Stage(NamedTuple):
    begins: int
    ends: int
    line: str


_LEARNING = 30, 75
_STAGES = {
    "waiting": _Stage(0, 0, "Waiting to begin."),
    "export": _Stage(0, 2, "Writing the corrections down."),
    "start": _Stage(2, 15, "Starting Kedro."),
    "split_digits": _Stage(15, 18, "Reading the digits that come with scikit-learn."),
    "read_corrections": _Stage(18, 20, "Reading the corrections."),
    "split_corrections": _Stage(20, 21, "Keeping some corrections to judge by."),
    "assemble": _Stage(21, 22, "Putting together what is learnt."),
    "take_parent": _Stage(22, 30, "Opening the live model."),
    "tune": _Stage(*_LEARNING, "Learning the corrections."),
    "train": _Stage(*_LEARNING, "Learning from the beginning."),
    "draw_variants": _Stage(75, 76, "Drawing the corrections anew, to judge by."),
    "report": _Stage(76, 80, "Counting what it reads right."),
    "gate": _Stage(80, 100, "Comparing it with the live model."),
}
WAITING = Progress("waiting", 0.0, "")
EXPORTING = Progress("export", 0.0, "")
STARTING = Progress("start", 0.0, "")


def percent_of(progress: Progress) -> int:
    """0..99, of a whole run; 0 for a step that is not known."""
    stage = _STAGES.get(progress.stage)
    if stage is None:
        return 0
    return min(99, int(stage.begins + (stage.ends - stage.begins) * progress.part))


def line_of(progress: Progress) -> str:
    """What is done now, for people."""
    stage = _STAGES.get(progress.stage)
    return progress.line or (stage.line if stage else progress.stage)
