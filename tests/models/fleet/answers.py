"""What a simulated fleet answers, and what it gathers of its trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.reference import StatedTrial, Statement
from models.registry.registry import Registry
from models.storage.errors import StorageUnavailable
from models.trials.evidence import Evidence, Side
from models.trials.gist import Gist
from models.trials.judging import Decision, Finding, Judgement
from models.trials.sides import is_tried
from models.trials.trial import Trial

WORSE, SILENT = "good but worse", "good but rare"
ENOUGH = 30
"""Images that a simulated model has to answer to prove itself."""


@dataclass
class Answers:
    """Which side answered what, over all processes.

    Attributes:
        contents: of the models, by their SHA-256.
        sides: of a trial's number and a message: the shares in which it was and was not tried.
        faults: promises that were broken.
    """

    contents: dict[str, str] = field(default_factory=dict)
    sides: dict[tuple[int, str], tuple[float, float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def note(self, trial: StatedTrial, key: str, tried: bool) -> None:
        """Holds an answer against the promise that a message stays on its side, and that greater shares hold lesser."""
        least_tried, most_untried = self.sides.get((trial.number, key), (2.0, 0.0))
        if tried:
            least_tried = min(least_tried, trial.share)
        else:
            most_untried = max(most_untried, trial.share)
        if most_untried >= least_tried:
            self.faults.append(f"message {key} was on both sides of trial {trial.number}")
        self.sides[trial.number, key] = least_tried, most_untried


class Gatherer:
    """What one process gathers of the trial that it has heard of.

    Args:
        registry: as the process reaches it.
        worker: its name.
        answers: of the fleet.
    """

    def __init__(self, registry: Registry, worker: str, answers: Answers) -> None:
        self._registry = registry
        self._worker = worker
        self._answers = answers
        self._step = (0, 0)
        self._evidence = Evidence()

    def answer(self, stated: Statement | None, keys: Sequence[str]) -> None:
        """Answers messages as was stated, and writes down what is known of the trial."""
        trial = stated.trial if stated else None
        if trial is None:
            return
        if (trial.number, trial.step) != self._step:
            self._step, self._evidence = (trial.number, trial.step), Evidence()
        content = self._answers.contents[trial.new.sha256]
        for key in keys:
            tried = is_tried(trial, key)
            self._answers.note(trial, key, tried)
            side: Side = "new" if tried else "old"
            if side == "old" or content != SILENT:
                self._evidence.answered(side, Gist("a", 0.5))
            if tried and content == WORSE:
                self._evidence.unfit("worse")
        try:
            self._registry.trials.write(trial, self._worker, self._evidence.encode())
        except StorageUnavailable:
            return


def judge_by_count(evidence: Evidence, trial: Trial) -> Judgement:
    """In place of statistics: a model is proved once it has answered enough, and is worse where a process says so."""
    images: dict[Side, int] = {"old": evidence.old.answered, "new": evidence.new.answered}
    text = f"{images['new']} images"
    if evidence.unfit_because.total:
        return Judgement("worse", (Finding("fitness", "worse", None, None, None, None, text),), images)
    decision: Decision = "proved" if evidence.new.answered >= ENOUGH else "open"
    return Judgement(decision, (Finding("failures", decision, None, None, None, None, text),), images)
