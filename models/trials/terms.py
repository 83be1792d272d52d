"""On which terms new models are tried: what each reader of a folder is told at its start."""

from __future__ import annotations

from dataclasses import dataclass

from models.trials.policy import Policy, Undecided


@dataclass(frozen=True, slots=True)
class Limits:
    """What a new model must keep to. Shares are between 0 and 1.

    Attributes:
        max_failures: the greatest share of images with no answer, `predict` dead letters, beyond that of the old model.
        max_slowdown: the greatest time of a call, as a multiple of the old model's for as many images.
        min_agreement: the smallest share of images to which both models give the same label (shadow).
        max_drift: the greatest population stability index between both models' labels, and between their scores where
            the new model is the less sure one.
        max_accuracy_loss: the greatest loss of accuracy where true labels are told.
    """

    max_failures: float = 0.001
    max_slowdown: float = 1.5
    min_agreement: float = 0.8
    max_drift: float = 0.25
    max_accuracy_loss: float = 0.02


USUAL_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class TrialTerms:
    """Small, hashable and picklable.

    Attributes:
        policy: None has new models answer everything at once.
        limits: that a new model must keep to.
        undecided: what becomes of one that has had its time without enough evidence.
        needs_labels: whether true labels are told, so that a verdict waits for them.
    """

    policy: Policy | None = None
    limits: Limits = USUAL_LIMITS
    undecided: Undecided = "roll_back"
    needs_labels: bool = False


NO_TRIALS = TrialTerms()
