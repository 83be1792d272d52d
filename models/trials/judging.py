"""The verdict on a new model, from what was seen of it and of the old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from models.reference import Mode
from models.trials.evidence import Evidence, Side
from models.trials.terms import Limits

Decision = Literal["worse", "proved", "open"]
LEAST_IMAGES = 100


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    decision: Decision | Literal["unjudged"]
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Judgement:
    decision: Decision
    findings: tuple[Finding, ...]
    images: Mapping[Side, int]

    @property
    def why(self) -> str:
        return "; ".join(each.text for each in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "images": dict(self.images),
            "findings": [
                {"what": f.what, "decision": f.decision, "value": f.value, "low": f.low, "high": f.high,
                 "limit": f.limit, "text": f.text} for f in self.findings
            ],
        }  # fmt: skip


def judge(evidence: Evidence, mode: Mode, limits: Limits, needs_labels: bool = False) -> Judgement:
    images: dict[Side, int] = {"old": evidence.old.answered, "new": evidence.new.answered}
    if evidence.unfit_because.total:
        text = "given up by a process"
        return Judgement("worse", (Finding("fitness", "worse", None, None, None, None, text),), images)
    return Judgement("open", (), images)
