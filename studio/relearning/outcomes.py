"""What came of a run: read off what the run left, as a word that stays and a sentence that says what to do."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from databases.errors import StoreUnusable
from models.errors import one_line
from models.last_words import LastWords
from models.storage.errors import tells_of_full_disk
from studio.relearning.process import Ending, Exit
from studio.relearning.state import RetrainingState

_LONGEST = 500
_KILLED = (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM)

_FIRST = "first"
"""The gate's word where no model was live."""


class Failure(StrEnum):
    """Why a run failed, beside the names of errors that `studio.retraining` writes in its verdict."""

    KILLED = "killed"
    STOPPED = "stopped"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    DISK_FULL = "disk_full"
    DATABASE_UNAVAILABLE = "database_unavailable"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        state: the word for it.
        reason: of the gate (`better`, `better_on_variants`), a `Failure`, or the name of an error.
        detail: one line; may be empty.
        model_id: of what was published.
    """

    state: Literal["published", "refused", "failed"]
    reason: str
    detail: str = ""
    model_id: str | None = None

    @property
    def line(self) -> str:
        """A sentence for people: what came of it, and what to do."""
        if self.state == "failed":
            text = _FAILED.get(self.reason, "Retraining failed: {detail}; retrain again.")
        else:
            text = _JUDGED.get(self.reason, self.state.capitalize() + ": {detail}.")
        return text.format(detail=self.detail)


_JUDGED = {
    _FIRST: "The first model is trained.",
    "better": "Published: {detail}.",
    "worse_on_digits": "Not published, for it reads other digits worse: {detail}. Correct more drawings, then retrain.",
    "better_on_variants": "Published: {detail}.",
    "no_corrections": "Not published: there is no correction to learn from. Correct a drawing, then retrain.",
    "no_unseen_corrections": "Not published: one more correction of a digit is needed to judge by. "
    "Draw it again, correct it, then retrain.",
    "not_better_on_corrections": "Not published, for it reads drawings that it did not learn from no better: {detail}. "
    "Correct a few more drawings of the same digits, then retrain.",
    "not_better_on_variants": "Not published, for it reads what was corrected no better: {detail}. "
    "Correct another drawing, or the same digit drawn a little differently, then retrain.",
    "rejected": "Not published, for vetting rejects it: {detail}.",
}
_FAILED = {
    Failure.KILLED: "Retraining was ended from outside, or for lack of memory; retrain again.",
    Failure.STOPPED: "Retraining was ended with the studio; retrain again.",
    Failure.TIMED_OUT: "Retraining was ended: {detail}. Retrain when the machine is less busy.",
    Failure.CRASHED: "Retraining broke off: {detail}. Retrain again.",
    Failure.DISK_FULL: "The disk is full: {detail}. Make room, then retrain.",
    Failure.DATABASE_UNAVAILABLE: "The corrections could not be read: {detail}. Retrain once the database is back.",
    Failure.MACHINE: "Retraining could not begin: {detail}. See to it, then retrain.",
    "interrupted": "Retraining was cut off before it ended; retrain again.",
    "NotTunable": "Nothing was tuned: {detail}.",
}


def outcome_of(exit_: Exit, verdict: Path, seconds: float) -> Outcome:
    """What came of a run that ended.

    Args:
        exit_: how its process ended.
        verdict: the file that the run wrote, if it came so far.
        seconds: that it was allowed to take.
    """
    told = _read(verdict)
    if told and told["verdict"] in ("published", "refused"):  # whatever came after it
        return Outcome(told["verdict"], told["reason"], told["detail"], told["model_id"])
    if exit_.ending is Ending.STOPPED:
        return Outcome("failed", Failure.STOPPED)
    if exit_.ending is Ending.LATE:
        return Outcome("failed", Failure.TIMED_OUT, f"it took longer than {seconds:.0f} s")
    if exit_.error == Failure.DISK_FULL:
        return Outcome("failed", Failure.DISK_FULL, exit_.detail)
    if told:
        return Outcome("failed", told["reason"], told["detail"])
    if exit_.code in _KILLED:
        return Outcome("failed", Failure.KILLED)
    if exit_.error:
        return Outcome("failed", exit_.error, exit_.detail)
    return Outcome("failed", Failure.CRASHED, LastWords(exit_.code, exit_.said).how)


def finished(pipeline: str, outcome: Outcome, seconds: float) -> RetrainingState:
    """The state after a run; `idle` after one that made the first model, since nothing was retrained.

    Args:
        pipeline: that was run.
        outcome: what came of it.
        seconds: that it took.
    """
    return RetrainingState(
        "idle" if outcome.reason == _FIRST else outcome.state,
        pipeline,
        percent=100,
        line=outcome.line,
        reason=str(outcome.reason),
        detail=outcome.detail,
        model_id=outcome.model_id,
        seconds=seconds,
    )


def of_error(error: Exception) -> Outcome:
    """What came of a run that this machine did not let begin."""
    word = Failure.DISK_FULL if tells_of_full_disk(error) else Failure.MACHINE
    return Outcome("failed", word, one_line(error, _LONGEST))


def unread(trouble: StoreUnusable) -> Outcome:
    """What came of a run whose corrections could not be read."""
    word = Failure.DISK_FULL if tells_of_full_disk(trouble) else Failure.DATABASE_UNAVAILABLE
    return Outcome("failed", word, one_line(trouble, _LONGEST))


def _read(verdict: Path) -> dict[str, Any] | None:
    """What the run wrote, which is whole or not there; None of what it would not write."""
    try:
        told = json.loads(verdict.read_text(encoding="utf-8"))
        texts = [told[name] for name in ("verdict", "reason", "detail")]
        model_id = told["model_id"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    right = all(isinstance(text, str) for text in texts) and isinstance(model_id, str | None)
    return told if right else None
