"""What was seen of both models of a trial: counted by each process for itself, and added up by whoever judges."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args

from models.trials.counts import BoundedCounts, read_count
from models.trials.differing import Difference, MostDifferent
from models.trials.gist import Gist
from models.trials.latencies import Latencies
from models.trials.scores import Scores

Side = Literal["old", "new"]
"""Of a trial: the model that was live, and the one that is tried."""
SIDES: tuple[Side, ...] = get_args(Side)
MOST_BYTES = 256 << 10
"""Of an encoded Evidence."""
MOST_LABELS, MOST_PAIRS = 200, 2_000
_MOST_REASONS, _LONGEST_REASON = 5, 300
_LONGEST_LABEL = 48
_LABEL_SPACE, _PAIR_SPACE, _REASON_SPACE = 16 << 10, 64 << 10, 4 << 10
_FORM = 1


class SideEvidence:
    """What was seen of one model.

    Attributes:
        answered: images that it answered.
        failed: images to which it had no answer: `predict` dead letters.
        labels: how often it gave each label, names of one string.
        scores: how sure it was.
        latencies: of its calls.
        labelled: images whose true labels were told (canary).
        right: how many of them it had answered rightly.
    """

    def __init__(self) -> None:
        self.answered = 0
        self.failed = 0
        self.labels = BoundedCounts(MOST_LABELS, _LONGEST_LABEL, _LABEL_SPACE)
        self.scores = Scores()
        self.latencies = Latencies()
        self.labelled = 0
        self.right = 0

    @property
    def images(self) -> int:
        """That it was asked about."""
        return self.answered + self.failed

    def merge(self, other: SideEvidence) -> None:
        """Adds what another one saw of the same model."""
        self.answered += other.answered
        self.failed += other.failed
        self.labels.merge(other.labels)
        self.scores.merge(other.scores)
        self.latencies.merge(other.latencies)
        self.labelled += other.labelled
        self.right += other.right

    def to_json(self) -> dict[str, Any]:
        """As `read` reads it."""
        return {
            "answered": self.answered, "failed": self.failed, "labels": self.labels.to_json(),
            "scores": self.scores.to_json(), "latencies": self.latencies.to_json(),
            "labelled": self.labelled, "right": self.right,
        }  # fmt: skip

    def read(self, value: Any) -> None:
        """Adds what `to_json` told.

        Raises:
            ValueError: it did not. KeyError and TypeError likewise.
        """
        self.answered += read_count(value["answered"])
        self.failed += read_count(value["failed"])
        self.labels.read(value["labels"])
        self.scores.read(value["scores"])
        self.latencies.read(value["latencies"])
        if read_count(value["right"]) > read_count(value["labelled"]):
            raise ValueError("more right answers than true labels")
        self.labelled += value["labelled"]
        self.right += value["right"]


class PairedEvidence:
    """What was seen of images that both models answered (shadow).

    Attributes:
        images: that both were asked about.
        alike: images to which both gave the same label.
        unlike: images to which they gave different ones.
        old_alone: images that the old model alone answered.
        new_alone: images that the new model alone answered.
        pairs: how often each pair of labels came, names of (old label, new label).
        distances: between the scores that both gave to one label.
        labelled: how often (old one right, new one right) was told, [both wrong, new alone right, old alone right,
            both right].
    """

    def __init__(self) -> None:
        self.images = 0
        self.alike = 0
        self.unlike = 0
        self.old_alone = 0
        self.new_alone = 0
        self.pairs = BoundedCounts(MOST_PAIRS, _LONGEST_LABEL, _PAIR_SPACE, strings=2)
        self.distances = Scores()
        self.labelled = [0, 0, 0, 0]

    def merge(self, other: PairedEvidence) -> None:
        """Adds what another one saw of the same models."""
        self.images += other.images
        self.alike += other.alike
        self.unlike += other.unlike
        self.old_alone += other.old_alone
        self.new_alone += other.new_alone
        self.pairs.merge(other.pairs)
        self.distances.merge(other.distances)
        self.labelled = [mine + others for mine, others in zip(self.labelled, other.labelled, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """As `read` reads it."""
        return {
            "images": self.images, "alike": self.alike, "unlike": self.unlike, "old_alone": self.old_alone,
            "new_alone": self.new_alone, "pairs": self.pairs.to_json(), "distances": self.distances.to_json(),
            "labelled": list(self.labelled),
        }  # fmt: skip

    def read(self, value: Any) -> None:
        """Adds what `to_json` told.

        Raises:
            ValueError: it did not. KeyError and TypeError likewise.
        """
        names = ("alike", "unlike", "old_alone", "new_alone")
        counts = [read_count(value[name]) for name in names]
        if sum(counts) > read_count(value["images"]):
            raise ValueError("more answers than images")
        if len(value["labelled"]) != len(self.labelled):
            raise ValueError("not four counts of true labels")
        self.images += value["images"]
        for name, count in zip(names, counts, strict=True):
            setattr(self, name, getattr(self, name) + count)
        self.pairs.read(value["pairs"])
        self.distances.read(value["distances"])
        self.labelled = [mine + read_count(more) for mine, more in zip(self.labelled, value["labelled"], strict=True)]


class Evidence:
    """Of one trial. One thread's; bounded, whatever the models say and however images are called.

    Which of any two is merged into the other, and in which order, makes no difference.

    Attributes:
        old: what was seen of the old model.
        new: of the new one.
        paired: of images that both answered.
        most_different: such images on which they differ most, the most different one first.
        least_sure: images that the new model alone answered, the one that it was least sure of first (canary).
        unfit_because: why processes gave the new model up, names of one string.
        not_loaded_because: why processes could not load it, names of one string.
    """

    def __init__(self) -> None:
        self.old = SideEvidence()
        self.new = SideEvidence()
        self.paired = PairedEvidence()
        self.most_different = MostDifferent()
        self.least_sure = MostDifferent()
        self.unfit_because = _reasons()
        self.not_loaded_because = _reasons()

    def side(self, side: Side) -> SideEvidence:
        """What was seen of one of the models."""
        return self.old if side == "old" else self.new

    def answered(self, side: Side, gist: Gist | None, image: str = "") -> None:
        """Counts one image that a model was asked about.

        Args:
            side: that was asked.
            gist: its answer; None where there is none, a `predict` dead letter.
            image: its name, for people; "" leaves it out of `least_sure`.
        """
        seen = self.side(side)
        if gist is None:
            seen.failed += 1
            return
        seen.answered += 1
        if gist.label is not None:
            seen.labels.add((gist.label,))
        seen.scores.add(gist.score)
        if side == "new" and image and gist.score is not None and round(1 - gist.score, 6) >= self.least_sure.least:
            self.least_sure.add(Difference.unsure(image, gist))

    def called(self, side: Side, images: int, seconds: float) -> None:
        """Notes one call of a model.

        Args:
            side: whose call it was.
            images: that it had.
            seconds: that all of it took; one that is not finite is left out.
        """
        self.side(side).latencies.add(images, seconds)

    def compared(self, image: str, old: Gist | None, new: Gist | None) -> None:
        """Compares both models' answers to one image; besides `answered` for each of them.

        Args:
            image: its name, for people.
            old: the old model's answer; None where it has none.
            new: the new one's.
        """
        paired = self.paired
        paired.images += 1
        if old is None or new is None:
            paired.old_alone += old is not None
            paired.new_alone += new is not None
        elif old.label is not None and new.label is not None:
            is_alike = old.label == new.label
            paired.alike += is_alike
            paired.unlike += not is_alike
            paired.pairs.add((old.label, new.label))
            if is_alike and old.score is not None and new.score is not None:
                paired.distances.add(abs(old.score - new.score))
        difference = Difference.of(image, old, new)
        if difference.distance >= self.most_different.least:
            self.most_different.add(difference)

    def labelled(self, side: Side, right: bool) -> None:
        """Counts one image whose true label was told and that one model answered (canary).

        Args:
            side: that answered it.
            right: whether it had said that label.
        """
        seen = self.side(side)
        seen.labelled += 1
        seen.right += right

    def labelled_both(self, old_right: bool, new_right: bool) -> None:
        """Counts one image whose true label was told and that both models answered (shadow)."""
        self.paired.labelled[2 * old_right + new_right] += 1

    def unfit(self, why: str) -> None:
        """Notes that a process gave the new model up: the verdict is to roll it back."""
        self.unfit_because.add((why,))

    def not_loaded(self, why: str) -> None:
        """Notes that a process could not load the new model; told, and held against nobody."""
        self.not_loaded_because.add((why,))

    def merge(self, other: Evidence) -> None:
        """Adds what another process saw of the same trial."""
        self.old.merge(other.old)
        self.new.merge(other.new)
        self.paired.merge(other.paired)
        self.most_different.add(*other.most_different)
        self.least_sure.add(*other.least_sure)
        self.unfit_because.merge(other.unfit_because)
        self.not_loaded_because.merge(other.not_loaded_because)

    def encode(self) -> bytes:
        """As `decode` reads it: JSON, at most `MOST_BYTES`."""
        return encoded(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """What `encoded` takes, which stays as it is whatever is noted after."""
        return {
            "form": _FORM, "old": self.old.to_json(), "new": self.new.to_json(), "paired": self.paired.to_json(),
            "most_different": self.most_different.to_json(), "least_sure": self.least_sure.to_json(),
            "unfit": self.unfit_because.to_json(), "not_loaded": self.not_loaded_because.to_json(),
        }  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Evidence:
        """Reads what `encode` wrote.

        Raises:
            ValueError: it did not.
        """
        if len(data) > MOST_BYTES:
            raise ValueError(f"not the evidence of a trial: more than {MOST_BYTES} bytes")
        evidence = cls()
        try:
            evidence._read(json.loads(data))
        except (KeyError, TypeError, IndexError, RecursionError, OverflowError) as problem:
            raise ValueError(f"not the evidence of a trial: {type(problem).__name__}") from problem
        return evidence

    def _read(self, told: Any) -> None:
        if told["form"] != _FORM:
            raise ValueError("the evidence of a trial in a form that this version does not know")
        self.old.read(told["old"])
        self.new.read(told["new"])
        self.paired.read(told["paired"])
        self.most_different.read(told["most_different"])
        self.least_sure.read(told["least_sure"])
        self.unfit_because.read(told["unfit"])
        self.not_loaded_because.read(told["not_loaded"])


def encoded(told: dict[str, Any]) -> bytes:
    """See `Evidence.encode`.

    Args:
        told: by `Evidence.to_json`.
    """
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _reasons() -> BoundedCounts:
    return BoundedCounts(_MOST_REASONS, _LONGEST_REASON, _REASON_SPACE)
