"""What was judged, each with a picture of its interval against its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from launch.trial_report.drawing import INTERVAL_WIDTH, IntervalPicture, interval_picture
from launch.trial_words import STANDINGS, in_its_unit, interval_of, limit_of, name_of
from models.trials.judging import Finding
from models.trials.words import BROKEN_BELOW

_NOWHERE = float("-inf")
_LEAST = {"agreement": 0.0, "slowdown": 0.0, "label_drift": 0.0, "score_drift": 0.0, "failures": -1.0, "accuracy": -1.0}
_MOST = {"agreement": 1.0, "failures": 1.0, "accuracy": 1.0}
_LABEL_ROOM = 40.0
"""Units of the picture, half of what the limit's words need."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One finding as the page shows it.

    Attributes:
        name: of what was judged.
        decision: as `Finding.decision`.
        standing: that in words.
        text: one sentence.
        numbers: value, interval and limit in a line.
        limit: in its unit.
        picture: None where there is no interval or no limit.
        begins, ends: what the picture's edges stand for.
        anchor: how the limit is written above its line: `start`, `middle` or `end`.
        counts: whether the verdict depends on it.
    """

    name: str
    decision: str
    standing: str
    text: str
    numbers: str
    limit: str
    picture: IntervalPicture | None
    begins: str
    ends: str
    anchor: str
    counts: bool


def criteria_of(findings: Sequence[Finding]) -> list[Criterion]:
    """All of them: broken ones first, then open ones, then kept ones."""
    order = ("worse", "open", "proved", "unjudged")
    return [_criterion(each) for each in sorted(findings, key=lambda each: order.index(each.decision))]


def _criterion(finding: Finding) -> Criterion:
    name, picture = name_of(finding), _picture(finding)
    begins = in_its_unit(finding, picture.begins) if picture else ""
    ends = in_its_unit(finding, picture.ends) if picture else ""
    at = picture.limit if picture else 0.0
    anchor = "start" if at < _LABEL_ROOM else "end" if at > INTERVAL_WIDTH - _LABEL_ROOM else "middle"
    told = {
        "measured": in_its_unit(finding, finding.value) if finding.value is not None else "",
        "interval": interval_of(finding),
        "limit": limit_of(finding),
    }
    return Criterion(
        name[:1].upper() + name[1:],
        finding.decision,
        STANDINGS[finding.decision],
        finding.text[:1].upper() + finding.text[1:] + ".",
        " · ".join(f"{word} {value}" for word, value in told.items() if value),
        in_its_unit(finding, finding.limit),
        picture,
        begins,
        ends,
        anchor,
        finding.counts,
    )


def _picture(finding: Finding) -> IntervalPicture | None:
    value, low, high, limit = finding.value, finding.low, finding.high, finding.limit
    if value is None or low is None or high is None or limit is None:
        return None
    least, most = _LEAST.get(finding.what, _NOWHERE), _MOST.get(finding.what, float("inf"))
    return interval_picture(low, high, value, limit, finding.what not in BROKEN_BELOW, least, most)
