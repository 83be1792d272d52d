"""The images that tell most about two models: where they differ most, and where the new one is least sure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models.trials.counts import short_name
from models.trials.gist import Gist

MOST_IMAGES = 24
REQUESTED = "request "
"""What the name of an image begins with that came in a request: the rest is what a client called it, and no path."""
_LONGEST_IMAGE = 300
_LONGEST_LABEL = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """Both models' answers to one image.

    Attributes:
        image: its name, cut where it is long; "" where it has none.
        old: what the old model said; None: nothing, or it was not asked.
        new: likewise.
        distance: between them; greater means more worth a look. At least 1 where the labels differ or one failed.
    """

    image: str
    old: Gist | None
    new: Gist | None
    distance: float

    @classmethod
    def of(cls, image: str, old: Gist | None, new: Gist | None) -> Difference:
        """Of two answers to one image. Other labels come first, the surer both are the sooner; then other scores."""
        kept_old, kept_new = _kept(old), _kept(new)
        if (old is None) != (new is None) or (old and new and old.label != new.label):
            distance = 1 + (_score(kept_old) + _score(kept_new)) / 2
        else:
            distance = abs(_score(kept_old) - _score(kept_new))
        return cls(short_name(image, _LONGEST_IMAGE), kept_old, kept_new, round(distance, 6))

    @classmethod
    def unsure(cls, image: str, new: Gist) -> Difference:
        """Of an image that the new model alone answered: the less sure it is, the sooner."""
        kept = _kept(new)
        return cls(short_name(image, _LONGEST_IMAGE), None, kept, round(1 - _score(kept), 6))

    def to_json(self) -> dict[str, Any]:
        """The image, both answers as [label, score] or null, and the distance."""
        old, new = self.old and list(self.old), self.new and list(self.new)
        return {"image": self.image, "old": old, "new": new, "distance": self.distance}


class MostDifferent:
    """The most different images of many."""

    def __init__(self) -> None:
        self._kept: list[Difference] = []

    def __iter__(self) -> Iterator[Difference]:
        """The most different one first."""
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def least(self) -> float:
        """The distance that a further one must have to be kept."""
        return self._kept[-1].distance if len(self._kept) == MOST_IMAGES else 0.0

    def add(self, *differences: Difference) -> None:
        """Keeps those that are among the most different; the same image once, by its greatest distance."""
        if len(self._kept) == MOST_IMAGES:
            # Equal models differ by as much on all images: not each of these is worth a sorting.
            last = _order_of(self._kept[-1])
            differences = tuple(each for each in differences if each.distance >= self.least and _order_of(each) < last)
            if not differences:
                return
        best: dict[str, Difference] = {}
        for each in sorted([*self._kept, *differences], key=_order_of):
            best.setdefault(each.image, each)
        self._kept = list(best.values())[:MOST_IMAGES]

    def to_json(self) -> list[dict[str, Any]]:
        """As `read` reads it."""
        return [each.to_json() for each in self._kept]

    def read(self, value: Any) -> None:
        """Adds what `to_json` told.

        Raises:
            ValueError: it did not.
        """
        if not isinstance(value, list) or len(value) > MOST_IMAGES:
            raise ValueError(f"more than {MOST_IMAGES} images, or none")
        self.add(*map(_read, value))


def _order_of(each: Difference) -> tuple[float, str, str]:
    # To the last of what they hold, so that it is the same ones whoever adds up.
    return -each.distance, each.image, repr((each.old, each.new))


def _read(value: Any) -> Difference:
    image, distance = value["image"], value["distance"]
    if not isinstance(image, str) or not _is_number(distance) or not 0 <= distance <= 2:
        raise ValueError("not an image with a distance")
    return Difference(short_name(image, _LONGEST_IMAGE), _read_gist(value["old"]), _read_gist(value["new"]), distance)


def _read_gist(value: Any) -> Gist | None:
    if value is None:
        return None
    label, score = value
    if not (label is None or isinstance(label, str)) or not (score is None or _is_number(score)):
        raise ValueError("not an answer's label and score")
    return _kept(Gist(label, score))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e9


def _kept(gist: Gist | None) -> Gist | None:
    if gist is None:
        return None
    score = gist.score if gist.score is not None and math.isfinite(gist.score) else None
    label = gist.label if gist.label is None else short_name(gist.label, _LONGEST_LABEL)
    return Gist(label, None if score is None else round(min(max(float(score), 0.0), 1.0), 6))


def _score(gist: Gist | None) -> float:
    return gist.score if gist is not None and gist.score is not None else 0.0
