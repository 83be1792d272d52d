"""The steps of a trial, as they ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from launch.trial_report.drawing import Part, schedule
from launch.trial_words import minutes_in_words
from models.trials.view import TrialView
from models.trials.words import percent

_WIDTH, _HEIGHT = 900.0, 70.0

StepState = Literal["done", "now", "later"]
"""How far a step is."""
_IN_WORDS = {"done": "done", "now": "runs now", "later": "comes later"}


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One step of the schedule.

    Attributes:
        share: of the images.
        planned: how long it was to last at most.
        ran: how long it did.
        state: how far it is.
        words: that in words.
        run: the share of its time that is over, 0 to 1.
        part: where it is drawn.
    """

    share: str
    planned: str
    ran: str
    state: StepState
    words: str
    run: float
    part: Part


@dataclass(frozen=True, slots=True)
class Schedule:
    """All steps, and one sentence about them."""

    about: str
    steps: Sequence[ShownStep]


def schedule_of(view: TrialView) -> Schedule:
    """The steps of a trial. Those before the present one had their whole time: a step ends early by a verdict alone."""
    policy = view.trial.policy
    steps = policy.steps
    parts = schedule([each.share for each in steps], [each.minutes for each in steps], _WIDTH, _HEIGHT)
    shown = []
    for place, (step, part) in enumerate(zip(steps, parts, strict=True)):
        state: StepState = "done" if place < view.trial.step else "now" if place == view.trial.step else "later"
        seconds = {"done": 60 * step.minutes, "now": view.seconds, "later": 0.0}[state]
        words = _IN_WORDS[state]
        if view.ended is not None:
            words = {"done": "done", "now": "ended here", "later": "never begun"}[state]
        ran = "–" if state == "later" else minutes_in_words(seconds)
        run = min(seconds / (60 * step.minutes), 1.0)
        shown.append(ShownStep(percent(step.share), minutes_in_words(60 * step.minutes), ran, state, words, run, part))
    who = {
        "shadow": "Both models answered the share; the old one's answers were the results.",
        "canary": "The new model alone answered the share, and its answers were the results.",
    }[policy.mode]
    height = " The wider a bar the longer the step, the higher the greater its share; the coloured part ran."
    return Schedule(f"{str(policy).partition(':')[0].capitalize()}. {who}{height}", shown)
