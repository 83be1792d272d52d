"""What a trial came to, in sentences for whoever must decide: the answer, how sure it is, what would change it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from launch.model_report import count_in_words
from launch.trial_words import (
    in_its_unit,
    limit_of,
    minutes_in_words,
    name_of,
)
from models.trials.intervals import ERROR
from models.trials.judging import Finding, Judgement
from models.trials.view import TrialView
from models.trials.words import BROKEN_BELOW, percent

Tone = Literal["good", "bad", "open"]
_MOST_POINTS = 6
_TOO_MANY = 10_000_000
"""Images that nobody waits for."""
_BEGINNING = 60
"""Characters, by which the numbers of a verdict are found in its reason."""
_ON_THE_LIMIT = 0.02
"""Of an interval's half: a value as near to its limit as that is on it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The head of the page.

    Attributes:
        tone: how it is coloured.
        headline: the answer in one sentence.
        todo: what to do.
        commands: by which.
        sure: how sure it is, a sentence each.
        mind: what would change it, a sentence each.
    """

    tone: Tone
    headline: str
    todo: str
    commands: Sequence[str]
    sure: Sequence[str]
    mind: Sequence[str]


def verdict_of(view: TrialView, pattern: str, registry: str) -> Verdict:
    """What is to be said first.

    Args:
        view: the trial.
        pattern: of the model files, as typed.
        registry: its address.
    """
    where = f"{shlex.quote(pattern)} --registry {shlex.quote(registry)}"
    tone, headline, todo, commands = _ended(view, where) if view.ended else _under_way(view, where)
    return Verdict(tone, headline, todo, commands, _sure(view), _mind(view.judgement))


def _under_way(view: TrialView, where: str) -> tuple[Tone, str, str, Sequence[str]]:
    trial, judgement = view.trial, view.judgement
    new, old = trial.new.file_name, trial.old.file_name
    by_hand = (f"hotswap trial promote {where}", f"hotswap trial abort {where}")
    if judgement.decision == "worse":
        todo = "Nothing: whoever watches the folder rolls it back at the next look. By hand:"
        return "bad", f"{new} fails against {old}: {_reason(judgement.why, judgement)}", todo, by_hand[1:]
    left = max(0.0, 60 * trial.now.minutes - view.seconds)
    wait = f"{minutes_in_words(round(left))} of step {trial.step + 1} of {len(trial.policy.steps)} are left"
    if judgement.decision == "proved":
        when = "at the next look" if trial.is_last_step else f"in its last step; {wait}"
        todo = f"Wait: it is promoted {when}. Or decide now by hand:"
        return "good", f"{new} keeps to every limit against {old}", todo, by_hand
    counted = [each for each in judgement.findings if each.counts]
    kept = sum(each.decision == "proved" for each in counted)
    still_open = [each for each in counted if each.decision == "open"]
    of = f"{len(still_open)} of {count_in_words(kept + len(still_open), 'limit')}"
    are = "is" if len(still_open) == 1 else "are"
    headline = f"Too early to say whether {new} may replace {old}: {of} {are} still open"
    return "open", headline, f"Wait: {wait}. Or decide now by hand:", by_hand


def _ended(view: TrialView, where: str) -> tuple[Tone, str, str, Sequence[str]]:
    ended = view.ended
    assert ended is not None
    new, old, why = view.trial.new.file_name, view.trial.old.file_name, _reason(ended.why, view.judgement)
    if ended.outcome == "promoted":
        todo = "Nothing: it answers everything. If its results turn out worse after all, go back:"
        return "good", f"{new} replaced {old}: {why}", todo, (f"hotswap rollback {where}",)
    headline = f"{new} was rolled back, {old} stays: {why}"
    if ended.again:
        todo = f"Nothing: {new} may be tried again, and is once it is the newest valid file of the folder."
        return "bad", headline, todo, ()
    todo = "Mend the model and publish it: other bytes are tried anew. These are not, unless you say that they may:"
    return "bad", headline, todo, (f"hotswap trial retry {where} --model {view.trial.new.digest}",)


def _reason(why: str, judgement: Judgement) -> str:
    """Why a trial ended; of all the numbers that stand there, those that decided."""
    numbers = why.find(judgement.why[:_BEGINNING])
    if numbers < 0:
        return _clause(why)
    if lead := why[:numbers].rstrip(":; "):
        return lead
    broken = [_broken(each) for each in judgement.findings if each.decision == "worse" and each.counts]
    if broken:
        return " and ".join(broken[:2])
    return "it keeps to every limit" if judgement.decision == "proved" else "not every limit was proved to be kept"


def _sure(view: TrialView) -> list[str]:
    evidence, judgement, trial = view.evidence, view.judgement, view.trial
    old, new = judgement.images.get("old", 0), judgement.images.get("new", 0)
    if not old and not new:
        return ["It rests on nothing: no image came by."]
    points = [f"It rests on {count_in_words(new, 'answer')} of the new model and {old:,} of the old one."]
    if any(each.low is not None for each in judgement.findings):
        points.append(
            f"Each end of an interval is wrong with a probability of {percent(ERROR)} at most, "
            "however often somebody looks."
        )
    decided = {"worse": "broken", "proved": "kept", "open": "open", "unjudged": "not judged"}
    counted = [(sum(each.decision == key for each in judgement.findings), word) for key, word in decided.items()]
    told = [f"{count} {word}" for count, word in counted if count]
    if told:
        points.append(f"Of what can be judged: {_listed(told)}.")
    if trial.policy.mode == "canary":
        points.append(
            "The models answered different images of one step, drawn by chance: the intervals are as wide as that "
            "needs, and what changes in the stream between steps changes nothing."
            if trial.now.share < 1
            else "The new model answers all images of this step, and the old one none: failures alone are judged."
        )
    else:
        points.append("Both answered the same images, so that what differs is the models' doing alone.")
    if evidence.not_loaded_because.total:
        (why,), _ = next(evidence.not_loaded_because.items(), (("it is not told why",), 0))
        times = evidence.not_loaded_because.total
        often = "Once a process" if times == 1 else f"{times:,} times a process"
        points.append(f"{often} could not load the new model, and answered by the old one: {why}")
    return points[:_MOST_POINTS]


def _mind(judgement: Judgement) -> list[str]:
    if judgement.decision == "open" and not any(judgement.images.values()):
        return ["Images: with more minutes, a greater share or a busier stream some would come by."]
    order = ("worse", "open", "proved")
    told = [each for each in judgement.findings if each.decision in order and each.counts]
    ordered = sorted(told, key=lambda each: order.index(each.decision))
    points = [point for each in ordered if (point := _turning(each, judgement.images.get("new", 0)))]
    if not any(each.what == "accuracy" and each.decision != "unjudged" for each in judgement.findings):
        points = points[: _MOST_POINTS - 1]
        points.append(
            "True labels: nobody has told which answers were right. Fed back by message_id, they say more than all "
            "that is above."
        )
    return points[:_MOST_POINTS]


def _turning(finding: Finding, images: int) -> str:
    """What would have to be seen for one finding to be another."""
    value, low, high, limit = finding.value, finding.low, finding.high, finding.limit
    name = name_of(finding).capitalize()
    if value is None or low is None or high is None or limit is None:
        if finding.decision == "worse":
            return f"{name}: nothing that is measured; it stands for all of the trial."
        return f"{name}: {_clause(finding.text)}; more would have to be seen." if finding.decision == "open" else ""
    is_below = finding.what in BROKEN_BELOW
    shown, at_limit = in_its_unit(finding, value), limit_of(finding)
    if finding.decision == "worse":
        end = in_its_unit(finding, high if is_below else low)
        return f"{name}: at best {end}, and the limit is {at_limit}. Only a limit beyond that would let it pass."
    if finding.decision == "proved":
        end = in_its_unit(finding, low if is_below else high)
        return f"{name}: at worst {end}, and the limit is {at_limit}. It would have to get worse than that."
    # Bounds of what never happened come down with the number of images itself, others with its root.
    power = 1 if finding.what == "failures" and value <= 0 else 2
    needed = _images_needed(value, low, high, limit, images, power)
    side = "breaks" if (value < limit) is is_below else "keeps"
    seen = f"{name}: {shown} was seen, which {side} the limit of {at_limit}, by too few images to be sure."
    if needed is None:
        return f"{seen} It lies so close to the limit that no number of images decides soon."
    return f"{seen} About {_rounded(needed)} more would decide, if they are like those before."


def _images_needed(value: float, low: float, high: float, limit: float, images: int, power: int) -> int | None:
    """How many more images bring the interval's end to the limit."""
    reach = high - value if limit > value else value - low
    gap = abs(limit - value)
    if reach <= 0 or gap <= _ON_THE_LIMIT * reach or not images:
        return None
    more = round(images * ((reach / gap) ** power - 1))
    return max(more, 1) if more < _TOO_MANY else None


def _rounded(number: int) -> str:
    """To two digits, since it is an estimate."""
    digits = 10 ** max(0, len(str(number)) - 2)
    return count_in_words(max(1, round(number / digits) * digits), "image")


def _listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _broken(finding: Finding) -> str:
    """What is wrong, in words that need no other."""
    value, limit = finding.value, finding.limit
    if value is None or limit is None:
        return _clause(finding.text)
    seen, allowed = in_its_unit(finding, value), in_its_unit(finding, limit)
    match finding.what:
        case "failures":
            return f"{seen} more of the images have no answer, where {allowed} are allowed"
        case "slowdown":
            return f"a call takes {seen} the time, where {allowed} is allowed"
        case "agreement":
            return f"it agrees with the old model on {seen} of the images, where {allowed} are asked for"
        case "accuracy":
            lost, most = (f"{abs(100 * each):.1f}".removesuffix(".0") for each in (value, limit))
            return f"its accuracy is {lost} points lower, where {most} are allowed"
        case "label_drift" | "score_drift":
            return f"its {finding.what.partition('_')[0]}s drifted by {seen}, where {allowed} is allowed"
    return _clause(finding.text)


def _clause(text: str) -> str:
    return text.rstrip(". ")
