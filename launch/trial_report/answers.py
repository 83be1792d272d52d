"""What both models answered: where they agree, which labels, how sure, how often right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from launch.model_report import count_in_words
from launch.trial_report.drawing import HISTOGRAM_WIDTH, outline, shares
from models.trials.counts import BoundedCounts
from models.trials.evidence import Evidence, SideEvidence
from models.trials.gist import NOTHING
from models.trials.words import percent

MOST_LABELS = 12
"""Of the matrix on each side, and of the bars; the others are one."""
OTHERS = "all others"
NO_LABEL = "(nothing)"
_SHADES = ((0.5, 3), (0.15, 2), (0.0, 1))


class Cell(NamedTuple):
    """How often one pair came, and how it is shaded."""

    times: int
    shade: str


class Row(NamedTuple):
    """What the new model said where the old one said `label`."""

    label: str
    cells: Sequence[Cell]
    total: int


class Matrix(NamedTuple):
    """Labels of the old model by labels of the new one."""

    about: str
    columns: Sequence[str]
    rows: Sequence[Row]


class LabelBar(NamedTuple):
    """A label's share among both models' answers; widths in units of the picture."""

    label: str
    old: str
    new: str
    old_width: float
    new_width: float


class ScorePicture(NamedTuple):
    """Two histograms as points of polygons."""

    about: str
    old: str
    new: str
    begins: str
    ends: str


class AccuracyRow(NamedTuple):
    """How often a model was right."""

    name: str
    right: str
    of: str
    share: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of images whose true labels were told."""

    about: str
    rows: Sequence[AccuracyRow]


def matrix_of(evidence: Evidence) -> Matrix | None:
    """Where both models gave labels to the same images; None where they never did."""
    pairs, paired = evidence.paired.pairs, evidence.paired
    told = [(old, new, count) for (old, new), count in pairs.items()]
    if not told:
        return None
    totals: dict[str, int] = {}
    for old, new, count in told:
        totals[old] = totals.get(old, 0) + count
        totals[new] = totals.get(new, 0) + count * (old != new)
    frequent = sorted(totals, key=lambda label: (-totals[label], label))[:MOST_LABELS]
    kept = sorted(frequent, key=_in_order)
    has_others = len(totals) > len(kept) or pairs.rest > 0
    names = [*kept, *[OTHERS] * has_others]
    at = {label: place for place, label in enumerate(kept)}
    counts = [[0] * len(names) for _ in names]
    for old, new, count in told:
        counts[at.get(old, -1)][at.get(new, -1)] += count
    if has_others:
        counts[-1][-1] += pairs.rest
    rows = [
        Row(_shown(name), [_cell(count, sum(row), place == other) for other, count in enumerate(row)], sum(row))
        for place, (name, row) in enumerate(zip(names, counts, strict=True))
    ]
    both = paired.alike + paired.unlike
    alike = (
        f"{paired.alike:,} of {count_in_words(both, 'image')} ({percent(paired.alike / both)})" if both else "no image"
    )
    one_alone = paired.old_alone + paired.new_alone
    alone = f" One alone answered {count_in_words(one_alone, 'image')}." if one_alone else ""
    rest = f" {OTHERS.capitalize()}: labels that are rarer than those shown." if has_others else ""
    return Matrix(f"Both gave the same label to {alike}: the diagonal.{alone}{rest}", list(map(_shown, names)), rows)


def labels_of(evidence: Evidence) -> list[LabelBar]:
    """The labels that either model gives most, in order; [] where there are none."""
    old, new = evidence.old.labels, evidence.new.labels
    if not old.total and not new.total:
        return []
    names = {name for counts in (old, new) for name, _ in counts.items()}
    ordered = sorted(names, key=lambda name: (-(_share(old, name) + _share(new, name)), name))
    kept = sorted(ordered[:MOST_LABELS], key=lambda name: _in_order(name[0]))
    told = [(_shown(name[0]), _share(old, name), _share(new, name)) for name in kept]
    if len(names) > len(kept) or old.rest or new.rest:
        rest = [max(0.0, bool(of.total) - sum(_share(of, name) for name in kept)) for of in (old, new)]
        told.append((OTHERS, rest[0], rest[1]))
    widest = max(max(old_share, new_share) for _, old_share, new_share in told)
    scale = HISTOGRAM_WIDTH / (widest or 1.0)
    return [
        LabelBar(label, percent(of_old), percent(of_new), round(scale * of_old, 1), round(scale * of_new, 1))
        for label, of_old, of_new in told
    ]


def scores_of(evidence: Evidence) -> ScorePicture | None:
    """How sure both were; None where no answer has a score."""
    old, new = evidence.old.scores, evidence.new.scores
    if not old.count and not new.count:
        return None
    of_old, of_new = shares(old.bins), shares(new.bins)
    highest = max(*of_old, *of_new)
    means = [f"{each.mean:.3f}" if each.count else "–" for each in (old, new)]
    about = f"Mean score {means[0]} of the old model, {means[1]} of the new one; height: share of its answers."
    return ScorePicture(about, outline(of_old, highest), outline(of_new, highest), "0", "1")


def accuracy_of(evidence: Evidence) -> Accuracy | None:
    """How often they were right; None where no true label was told."""
    neither, new_alone, old_alone, both = evidence.paired.labelled
    paired = neither + new_alone + old_alone + both
    if paired:
        about = (
            f"True labels were told of {count_in_words(paired, 'image')} that both answered: both were right on "
            f"{both:,}, neither on {neither:,}, the old model alone on {old_alone:,}, the new one on {new_alone:,}."
        )
        return Accuracy(about, [_right("old", both + old_alone, paired), _right("new", both + new_alone, paired)])
    sides = (("old", evidence.old), ("new", evidence.new))
    if not any(side.labelled for _, side in sides):
        return None
    about = "True labels were told of images that one of them answered: each is judged by its own."
    return Accuracy(about, [_right(name, side.right, side.labelled) for name, side in sides])


def answered_in_words(side: SideEvidence) -> tuple[str, str]:
    """How many images a model answered, and to how many it had no answer."""
    return f"{side.answered:,}", f"{side.failed:,} without an answer" if side.failed else "none without an answer"


def _right(name: str, right: int, of: int) -> AccuracyRow:
    return AccuracyRow(name, f"{right:,}", f"{of:,}", percent(right / of) if of else "–")


def _cell(count: int, of: int, is_alike: bool) -> Cell:
    if not count:
        return Cell(0, "")
    level = next(level for least, level in _SHADES if count / of > least)
    return Cell(count, f"{'h' if is_alike else 'm'}{level}")


def _share(counts: BoundedCounts, name: tuple[str, ...]) -> float:
    return counts[name] / counts.total if counts.total else 0.0


def _in_order(label: str) -> tuple[bool, float, str]:
    """Numbers by their value, then words."""
    is_number = label.isascii() and label.isdigit() and len(label) < 10
    return (not is_number, float(label) if is_number else 0.0, label)


def _shown(label: str) -> str:
    return NO_LABEL if label == NOTHING else label
