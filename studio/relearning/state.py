"""What the page is told of retraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Pipeline = Literal["tuning", "__default__"]
Word = Literal["idle", "running", "published", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class RetrainingState:
    """How far the run is that is under way, or what came of the last one.

    Attributes:
        state: `idle` where there was no run, or one that made the first model.
        pipeline: of `studio.retraining`; empty where there was no run.
        stage: the step that is done now, by its name; empty where none runs.
        percent: 0..100, never less than before in one run.
        line: a sentence for people: what is done now, or what came of it and what to do.
        reason: the word for what came of it, see `studio.relearning.outcomes`; empty until then.
        detail: one line more on it; may be empty.
        model_id: of what was published.
        seconds: that it took, or has taken until now.
        queued: whether another run begins after this one.
    """

    state: Word = "idle"
    pipeline: str = ""
    stage: str = ""
    percent: int = 0
    line: str = "Nothing was retrained yet."
    reason: str = ""
    detail: str = ""
    model_id: str | None = None
    seconds: float = 0.0
    queued: bool = False
