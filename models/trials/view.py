"""A trial as people look at it: what the pointer says, what all workers have gathered, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from models.reference import ModelReference
from models.registry.registry import Registry
from models.trials.counts import read_count
from models.trials.evidence import SIDES, Evidence
from models.trials.gathered import added_up, gathered_by_step
from models.trials.judging import Decision, Finding, Judgement, judged
from models.trials.trial import EndedTrial, Trial

_MOST_FINDINGS = 20
_LONGEST_TEXT = 1000
State = Literal["running", "promoted", "rolled_back"]


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial, under way or ended.

    Attributes:
        trial: as the pointer says; where it ended, as it was last.
        ended: what came of it; None while it is under way.
        seconds: that it has been in its step, as far as anybody has written down.
        evidence: of all workers and steps.
        judgement: what follows from the evidence of its step. Of a trial that ended: that which its verdict rests on,
            where it was written down.
    """

    trial: Trial
    ended: EndedTrial | None
    seconds: float
    evidence: Evidence
    judgement: Judgement

    @property
    def state(self) -> State:
        """How far it is, in a word."""
        return self.ended.outcome if self.ended else "running"

    def to_json(self) -> dict[str, Any]:
        """For programs and pages: every text in it may be a stranger's."""
        trial, ended = self.trial, self.ended
        return {
            "number": trial.number,
            "state": self.state,
            "mode": trial.policy.mode,
            "policy": str(trial.policy),
            "old": _model(trial.old),
            "new": _model(trial.new),
            "begun": trial.begun,
            "by": trial.by,
            "step": trial.step + 1,
            "steps": [{"share": each.share, "minutes": each.minutes} for each in trial.policy.steps],
            "share": trial.now.share,
            "seconds_in_step": round(self.seconds, 1),
            "judgement": self.judgement.to_json(),
            "ended": ended_as_json(ended) if ended else None,
        }


def trial_now(registry: Registry) -> TrialView | None:
    """The trial that is under way.

    Args:
        registry: of the pattern.

    Returns:
        None where nothing is tried.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    registry.live.look(mend=False)
    pointer = registry.live.pointer
    if pointer is None or pointer.trial is None:
        return None
    return _view(registry, pointer.trial, None)


def ended_trials(registry: Registry) -> list[EndedTrial]:
    """The last trials that ended, newest first.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    registry.live.look(mend=False)
    pointer = registry.live.pointer
    return [] if pointer is None else list(reversed(pointer.ended))


def view_of_ended(registry: Registry, ended: EndedTrial) -> TrialView:
    """A trial that ended, with what is still kept of its evidence.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    return _view(registry, ended.trial, ended)


def ended_as_json(ended: EndedTrial) -> dict[str, Any]:
    """What came of a trial, for programs."""
    trial = ended.trial
    return {
        "number": trial.number,
        "old": _model(trial.old),
        "new": _model(trial.new),
        "policy": str(trial.policy),
        "begun": trial.begun,
        "outcome": ended.outcome,
        "why": ended.why,
        "by": ended.by,
        "time": ended.time,
        "again": ended.again,
        "figures": dict(ended.figures),
    }


def judgement_from(figures: Mapping[str, Any]) -> Judgement | None:
    """Reads what `Judgement.to_json` wrote; None where it is something else: whoever wrote it may be a stranger."""
    try:
        decision, images = figures["decision"], {side: read_count(figures["images"][side]) for side in SIDES}
        findings = tuple(map(_finding, figures["findings"][:_MOST_FINDINGS]))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    return Judgement(decision, findings, images) if decision in get_args(Decision) else None


def _finding(value: Any) -> Finding:
    what, decision, text = value["what"], value["decision"], value["text"]
    if decision not in (*get_args(Decision), "unjudged") or not isinstance(what, str) or not isinstance(text, str):
        raise ValueError("not a finding")
    seen, low, high, limit = (_number(value[name]) for name in ("value", "low", "high", "limit"))
    counts = value.get("counts") is not False
    return Finding(what[:_LONGEST_TEXT], decision, seen, low, high, limit, text[:_LONGEST_TEXT], counts)


def _number(value: object) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float):
        raise ValueError("not a number")
    number = float(value)  # type: ignore[arg-type]
    return number if math.isfinite(number) else None


def _view(registry: Registry, trial: Trial, ended: EndedTrial | None) -> TrialView:
    steps = gathered_by_step(registry, trial.stated)
    judgement = judgement_from(ended.figures) if ended else None
    if judgement is None:
        earlier = added_up(steps[:-1]) if len(steps) > 1 else None
        judgement = judged(steps[-1], trial, earlier)
    return TrialView(trial, ended, registry.trials.seconds(trial.stated), added_up(steps), judgement)


def _model(reference: ModelReference) -> dict[str, str]:
    return {
        "model_id": reference.model_id,
        "uri": reference.uri,
        "sha256": reference.sha256,
        "name": reference.file_name,
    }
