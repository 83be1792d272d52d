"""The verdict on a new model, from what was seen of it and of the old one, and the numbers behind it in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from models.reference import Mode
from models.trials.evidence import Evidence, Side, SideEvidence
from models.trials.terms import Limits
from models.trials.trial import Trial
from models.trials.words import in_unit, percent

Decision = Literal["worse", "proved", "open"]
"""`worse`: it goes back. `proved`: it goes live. `open`: more must be seen."""
_RANKS = ("worse", "open", "proved", "unjudged")
_LONGEST_WHY = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What one criterion says.

    Attributes:
        what: `failures`, `slowdown`, `agreement`, `label_drift`, `score_drift`, `accuracy` or `fitness`.
        decision: whether the new model certainly breaks the limit, certainly keeps it, or neither is certain yet;
            `unjudged` where there is nothing to judge by.
        value: as it was seen: a share, a ratio of times, an index, a difference of accuracies; None: there is none.
        low: the truth is not below, see `models.trials.intervals`; None where nothing is known.
        high: the truth is not above; None where nothing is known.
        limit: that was to be kept; None where there is none.
        text: one sentence for people.
        counts: whether the verdict depends on it; what is outranked by true labels is told alone.
    """

    what: str
    decision: Decision | Literal["unjudged"]
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    text: str
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is decided of a new model, and why.

    Attributes:
        decision: of all findings.
        findings: each criterion's.
        images: that each model was asked about.
    """

    decision: Decision
    findings: tuple[Finding, ...]
    images: Mapping[Side, int]

    @property
    def why(self) -> str:
        """The numbers on one line; those that the decision comes of are first."""
        if self.decision == "open" and not any(self.images.values()):
            return "no image came by"
        told = [each for each in self.findings if each.decision != "unjudged"]
        told.sort(key=lambda each: (not each.counts, _RANKS.index(each.decision)))
        return "; ".join(each.text for each in told) or "nothing was seen yet"

    @property
    def breaks_a_limit(self) -> bool:
        """Whether something that counts is certainly too bad, be it that the verdict still waits for true labels."""
        return any(each.counts and each.decision == "worse" for each in self.findings)

    def to_json(self) -> dict[str, Any]:
        """All of it, at most 4 KiB as JSON: `decision`, `images` by model, `findings` with the fields of `Finding`."""
        return {
            "decision": self.decision,
            "images": dict(self.images),
            "findings": [asdict(each) for each in self.findings],
        }


def judged(evidence: Evidence, trial: Trial, earlier: Evidence | None = None) -> Judgement:
    """Judges by what was gathered in the step that a trial is in, on the terms that it began with.

    Args:
        evidence: of all processes.
        trial: its limits count.
        earlier: see `models.trials.gathered.gathered_before`.
    """
    share = trial.now.share
    return judge(evidence, trial.policy.mode, trial.limits, trial.needs_labels, share=share, earlier=earlier)


def judge(
    evidence: Evidence,
    mode: Mode,
    limits: Limits,
    needs_labels: bool = False,
    *,
    share: float | None = None,
    earlier: Evidence | None = None,
) -> Judgement:
    """Decides by what was seen so far; may be asked at any time and as often as one likes.

    Each bound is wrong at any time with a probability of at most 0.5 % (`models.trials.intervals`), and nothing is
    decided before 100 images of each model, but that a model which a process gave up is worse at once.

    Args:
        evidence: of all processes, in the step that the trial is in: streams change, and shares with steps, so that
            what is of several steps is no fair comparison.
        mode: of the trial; a shadow is judged by pairs of answers.
        limits: to keep to.
        needs_labels: whether a verdict waits for true labels.
        share: of the step, between 0 and 1; None: less than 1. In a canary's step of 1 the old model answers nothing:
            only failures are judged, and what compares is `unjudged` and holds nothing up.
        earlier: of the steps before, all together: in a step of 1, how often the old model fails follows from it.
    """
    # scipy and numpy are for those who judge; many read what was judged.
    from models.trials.rules import FAIR_SHARE, PROXIES, decide
    from models.trials.tallying import tally_of

    is_alone = mode == "canary" and share is not None and share >= 1
    tally = tally_of(evidence, mode, earlier, is_alone)
    verdicts = decide(tally, mode, limits, needs_labels, is_alone)
    before = earlier.old if is_alone and earlier is not None else SideEvidence() if is_alone else evidence.old
    told: dict[str, tuple[float, Callable[[float | None, float | None, float | None], str]]] = {
        "failures": (limits.max_failures, lambda *seen: _failures(before, evidence.new, limits, *seen)),
        "slowdown": (limits.max_slowdown, lambda *seen: _slowdown(limits, *seen)),
        "agreement": (limits.min_agreement, lambda *seen: _agreement(evidence, limits, *seen)),
        "label_drift": (limits.max_drift, lambda *seen: _drift("labels", limits, *seen)),
        "score_drift": (limits.max_drift, lambda *seen: _drift("scores", limits, *seen)),
        "accuracy": (-limits.max_accuracy_loss, lambda *seen: _accuracy(evidence, mode, limits, *seen)),
    }
    findings = [_fitness(evidence)]
    for name, (limit, text) in told.items():
        ruled, is_judged = verdicts.ruled[name], bool(verdicts.judged[name])
        is_counted = bool(verdicts.counted[name])
        if not is_judged:
            decision: Decision | Literal["unjudged"] = "open" if is_counted else "unjudged"
            why = _why_unjudged(name, evidence, is_alone)
            findings.append(Finding(name, decision, None, None, None, limit, why, is_counted))
            continue
        decision = "worse" if ruled.worse else "proved" if ruled.proved else "open"
        value, low, high = (_number(float(each)) for each in ruled.bounds)
        sentence = text(value, low, high)
        if not is_counted:
            sentence += ", told alone: true labels decide"
        elif name in PROXIES and needs_labels and decision == "worse":
            sentence += f", waits for true labels of {percent(FAIR_SHARE)} of the answers"
        elif name in ("agreement", "label_drift") and decision == "worse" and _has_other_labels(evidence):
            sentence += ", the models have no label in common"
        elif name == "score_drift" and decision == "proved" and high is not None and high > limit:
            sentence += ", but it is no less sure"
        findings.append(Finding(name, decision, value, low, high, limit, sentence, is_counted))
    is_worse = findings[0].decision == "worse" or bool(verdicts.worse)
    whole: Decision = "worse" if is_worse else "proved" if verdicts.proved else "open"
    images: dict[Side, int] = {"old": evidence.old.images, "new": evidence.new.images}
    return Judgement(whole, tuple(findings), images)


_UNJUDGED = {
    "failures": "no failures are counted",
    "slowdown": "no calls are timed",
    "agreement": "no answers to the same images are compared",
    "label_drift": "there are no labels",
    "score_drift": "there are no scores",
    "accuracy": "too few true labels were told",
}
_THINGS = {"label_drift": "labels", "score_drift": "scores"}


def _why_unjudged(name: str, evidence: Evidence, is_alone: bool) -> str:
    old, new = evidence.old, evidence.new
    if is_alone:
        return "the old model answers nothing in this step"
    sides = {"label_drift": (old.labels.total, new.labels.total), "score_drift": (old.scores.count, new.scores.count)}
    seen_of_old, seen_of_new = sides.get(name, (0, 0))
    if old.answered and new.answered and bool(seen_of_old) != bool(seen_of_new):
        one, other = ("old", "new") if seen_of_old else ("new", "old")
        return f"the {one} model tells {_THINGS[name]} and the {other} one none: they are not compared"
    return _UNJUDGED[name]


def _has_other_labels(evidence: Evidence) -> bool:
    old, new = ({name for name, _ in side.labels.items()} for side in (evidence.old, evidence.new))
    return bool(old) and bool(new) and old.isdisjoint(new)


def _fitness(evidence: Evidence) -> Finding:
    reasons = evidence.unfit_because
    if not reasons.total:
        return Finding("fitness", "unjudged", None, None, None, None, "no process gave it up")
    name, _ = next(reasons.items(), (("",), 0))
    processes = "a process" if reasons.total == 1 else f"{reasons.total:,} processes"
    return Finding("fitness", "worse", None, None, None, None, f"{processes} gave it up: {name[0][:_LONGEST_WHY]}")


def _failures(
    old: SideEvidence, new: SideEvidence, limits: Limits, value: float | None, low: float | None, high: float | None
) -> str:
    before = f", before {old.failed:,} of {old.images:,}" if old.failed else ""
    known = f"{_edge('failures', low, high, limits.max_failures)} more than before"
    return f"failures {new.failed:,} of {new.images:,}{before} ({known}, limit {percent(limits.max_failures)})"


def _slowdown(limits: Limits, value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "too few calls of one size to compare their times"
    known = _edge("slowdown", low, high, limits.max_slowdown)
    return f"calls {in_unit('slowdown', value)} as long ({known}, limit {in_unit('slowdown', limits.max_slowdown)})"


def _agreement(evidence: Evidence, limits: Limits, value: float | None, low: float | None, high: float | None) -> str:
    both, (seen, least, most, limit) = (
        evidence.paired.alike + evidence.paired.unlike,
        (in_unit("agreement", each) for each in (value, low, high, limits.min_agreement)),
    )
    known = f"at least {least}" if (low or 0) >= limits.min_agreement else f"at most {most}"
    return f"same label for {seen} of {both:,} ({known}, limit {limit})"


def _drift(what: str, limits: Limits, value: float | None, low: float | None, high: float | None) -> str:
    known = _edge("drift", low, high, limits.max_drift)
    return f"{what} shifted by {in_unit('drift', value)} ({known}, limit {in_unit('drift', limits.max_drift)})"


def _accuracy(
    evidence: Evidence, mode: Mode, limits: Limits, value: float | None, low: float | None, high: float | None
) -> str:
    cells, new, old = evidence.paired.labelled, evidence.new, evidence.old
    if mode == "shadow":
        right, of, right_before, of_before = cells[1] + cells[3], sum(cells), cells[2] + cells[3], sum(cells)
    else:
        right, of, right_before, of_before = new.right, new.labelled, old.right, old.labelled
    accuracy, before = percent(right / max(of, 1)), percent(right_before / max(of_before, 1))
    least, most, limit = (in_unit("accuracy", each) for each in (low, high, -limits.max_accuracy_loss))
    known = f"{least.removesuffix(' points')} to {most}"
    return f"accuracy {accuracy} of {of:,} true labels, before {before} ({known}, limit {limit})"


def _edge(what: str, low: float | None, high: float | None, limit: float) -> str:
    """The bound that matters: the lower one where it is above the limit."""
    if low is not None and low > limit:
        return f"at least {in_unit(what, low)}"
    return f"at most {in_unit(what, high)}"


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
