"""How a pointer's trials are written as JSON, and read again: whoever wrote them may be a stranger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from models.card_fields import number as real
from models.card_fields import whole
from models.printable import json_text
from models.reference import ModelReference
from models.registry.fields import GREATEST_WHOLE, address_from, reference_from, shown_text
from models.trials.policy import MOST_STEPS, Policy, Undecided
from models.trials.terms import Limits
from models.trials.trial import EndedTrial, Outcome, Trial

_LONGEST_POLICY = 2000
_MOST_FIGURES_CHARACTERS = 1 << 13
"""Of the numbers behind a verdict as JSON: twenty trials stay far below what an object may hold."""


def trial_to_json(trial: Trial) -> dict[str, Any]:
    """A trial, for people too."""
    return {
        "number": trial.number,
        "old": _model(trial.old),
        "new": _model(trial.new),
        "policy": str(trial.policy),
        "limits": asdict(trial.limits),
        "undecided": trial.undecided,
        "needs_labels": trial.needs_labels,
        "step": trial.step,
        "begun": trial.begun,
        "by": trial.by,
    }


def trial_from(value: dict[str, Any]) -> Trial:
    """Reads what `trial_to_json` wrote.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, ModelRejected: it is something else.
    """
    number = whole(value["number"], "number", 1, GREATEST_WHOLE)
    policy = Policy.parse(shown_text(value["policy"])[:_LONGEST_POLICY])
    step = whole(value["step"], "step", 0, MOST_STEPS - 1)
    old, new = (reference_from(address_from(value[side]["uri"]), value[side]["sha256"]) for side in ("old", "new"))
    if policy is None or step >= len(policy.steps) or old == new:
        raise ValueError("tells of a trial that cannot be")
    limits = Limits(**{each.name: real(value["limits"][each.name], each.name, 0.0) for each in fields(Limits)})
    undecided: Undecided = "promote" if value["undecided"] == "promote" else "roll_back"
    needs_labels = value["needs_labels"] is True
    begun, by = shown_text(value["begun"]), shown_text(value["by"])
    return Trial(number, old, new, policy, limits, undecided, needs_labels, step, begun, by)


def ended_to_json(ended: EndedTrial) -> dict[str, Any]:
    """What came of a trial, for people too."""
    return {
        "trial": trial_to_json(ended.trial),
        "outcome": ended.outcome,
        "why": ended.why,
        "by": ended.by,
        "figures": _bounded(ended.figures),
        "time": ended.time,
        "told": ended.told,
        "again": ended.again,
    }


def ended_from(value: dict[str, Any]) -> EndedTrial:
    """Reads what `ended_to_json` wrote.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, ModelRejected: it is something else.
    """
    outcomes: dict[str, Outcome] = {"promoted": "promoted", "rolled_back": "rolled_back"}
    why, by, time = (shown_text(value[name]) for name in ("why", "by", "time"))
    outcome, figures = outcomes[value["outcome"]], value["figures"]
    told, again = value["told"], value["again"]
    if not isinstance(figures, dict) or not isinstance(told, bool) or not isinstance(again, bool):
        raise ValueError("tells of the end of a trial in words of its own")
    return EndedTrial(trial_from(value["trial"]), outcome, why, by, _bounded(figures), time, told, again)


def _model(reference: ModelReference) -> dict[str, str]:
    return {"uri": reference.uri, "sha256": reference.sha256}


def _bounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    return dict(figures) if len(json_text(dict(figures))) <= _MOST_FIGURES_CHARACTERS else {}
