"""A trial as the registry's pointer tells it: what is tried, how far it is, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from models.events import worker_name
from models.moments import rfc3339
from models.reference import ModelReference, StatedTrial
from models.trials.policy import Policy, Step, Undecided
from models.trials.terms import USUAL_LIMITS, Limits

Outcome = Literal["promoted", "rolled_back"]
LONGEST_WHY = 1000
"""Characters of why a trial ended, that are kept; all numbers are in its figures."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that is under way.

    Attributes:
        number: the pointer's epoch when it began; names it, and no other of the pattern ever has the same.
        old: the model that is live, and stays so until the verdict.
        new: the one that is tried.
        policy: how.
        limits: that the new model must keep to; all who judge do so by these.
        undecided: what becomes of it without enough evidence.
        needs_labels: whether a verdict waits for true labels.
        step: which step of the policy it is in, from 0.
        begun: when, RFC 3339 in UTC by the writer's clock: for people, nothing follows from it.
        by: who began it.
    """

    number: int
    old: ModelReference
    new: ModelReference
    policy: Policy
    limits: Limits = USUAL_LIMITS
    undecided: Undecided = "roll_back"
    needs_labels: bool = False
    step: int = 0
    begun: str = field(default_factory=rfc3339)
    by: str = field(default_factory=worker_name)

    @property
    def now(self) -> Step:
        """The step that it is in."""
        return self.policy.steps[self.step]

    @property
    def is_last_step(self) -> bool:
        """Whether no other step comes."""
        return self.step == len(self.policy.steps) - 1

    @property
    def stated(self) -> StatedTrial:
        """What every worker is told of it."""
        return StatedTrial(self.number, self.new, self.policy.mode, self.now.share, self.step)

    def advanced(self) -> Trial:
        """In its next step."""
        return replace(self, step=self.step + 1)


@dataclass(frozen=True, slots=True)
class EndedTrial:
    """What came of a trial.

    Attributes:
        trial: as it was last.
        outcome: whether the new model went live.
        why: in a few words.
        by: who ended it.
        figures: the numbers behind the verdict as JSON, see `models.trials.judging.Judgement`; {} where there are none.
        time: when, RFC 3339 in UTC by the writer's clock.
        told: whether an event tells of it.
        again: whether somebody said since that the model may be tried once more.
    """

    trial: Trial
    outcome: Outcome
    why: str
    by: str = field(default_factory=worker_name)
    figures: Mapping[str, Any] = field(default_factory=dict)
    time: str = field(default_factory=rfc3339)
    told: bool = False
    again: bool = False
