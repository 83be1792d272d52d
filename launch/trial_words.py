"""How a trial is told to people: names of what is judged, numbers in its own unit, times."""

from __future__ import annotations

import math

from models.trials.judging import Finding
from models.trials.policy import Step
from models.trials.trial import EndedTrial
from models.trials.words import BROKEN_BELOW, in_unit, percent

OUTCOMES = {"promoted": "promoted", "rolled_back": "rolled back"}
STANDINGS = {"proved": "kept", "worse": "broken", "open": "still open", "unjudged": "not judged"}
"""Of a limit, by what was decided."""
NAMES = {
    "failures": "images without an answer",
    "slowdown": "time of a call",
    "agreement": "agreement of labels",
    "label_drift": "drift of labels",
    "score_drift": "drift of scores",
    "accuracy": "gain in accuracy",
    "fitness": "fitness to serve",
}


def name_of(finding: Finding) -> str:
    """What was judged; as it is called where this version knows no words for it."""
    return NAMES.get(finding.what, finding.what)


def in_its_unit(finding: Finding, number: float | None) -> str:
    """A number of a finding for people; `–` where there is none."""
    return in_unit(finding.what, number)


def interval_of(finding: Finding) -> str:
    """From where to where the true value lies; "" where there is no interval."""
    if finding.low is None or finding.high is None:
        return ""
    return f"{in_its_unit(finding, finding.low)} to {in_its_unit(finding, finding.high)}"


def limit_of(finding: Finding) -> str:
    """What must be kept; "" where there is no limit."""
    if finding.limit is None:
        return ""
    word = "at least" if finding.what in BROKEN_BELOW else "at most"
    return f"{word} {in_its_unit(finding, finding.limit)}"


def step_in_words(step: Step) -> str:
    """`5% of the images for 10 minutes`."""
    return f"{percent(step.share)} of the images for {minutes_in_words(60 * step.minutes)}"


def minutes_in_words(seconds: float) -> str:
    """A time that people wait for: seconds below two minutes, minutes below two hours, hours beyond."""
    for unit, size, below in (("second", 1, 120), ("minute", 60, 7200), ("hour", 3600, math.inf)):
        if seconds < below:
            count = f"{seconds / size:.1f}".rstrip("0").rstrip(".")
            return f"{count} {unit}" + ("" if count == "1" else "s")
    raise AssertionError(f"{seconds} is no time")


def ended_in_words(ended: EndedTrial) -> str:
    """What came of a trial, by whom and why, in a line."""
    return f"{ended.trial.new.file_name} was {OUTCOMES[ended.outcome]} by {ended.by}: {ended.why}"
