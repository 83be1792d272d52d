"""The images that tell most: those on which both models differ, else those that the new one was least sure of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from launch.trial_report.answers import NO_LABEL
from launch.trial_report.thumbnails import MOST, Thumbnail
from models.trials.differing import Difference
from models.trials.evidence import Evidence
from models.trials.gist import NOTHING, Gist

Thumbnails = Callable[[str], Thumbnail]
"""The small picture of an image by its path."""


class ShownAnswer(NamedTuple):
    """What a model said: which one, its label, its score."""

    side: str
    label: str
    score: str


class ShownImage(NamedTuple):
    """One image of the gallery; `picture` is None where pictures are not wanted."""

    path: str
    picture: Thumbnail | None
    answers: Sequence[ShownAnswer]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Images with a title, and a sentence that says which ones they are."""

    title: str
    about: str
    shown: Sequence[ShownImage]


def gallery_of(evidence: Evidence, is_shadow: bool, thumbnails: Thumbnails | None) -> Gallery:
    """The images worth a look.

    Args:
        evidence: of all workers.
        is_shadow: whether both models answered the same images.
        thumbnails: None where no picture is wanted.
    """
    if is_shadow:
        different = [each for each in evidence.most_different if each.distance > 0][:MOST]
        about = (
            "Other labels come first, the surer both models are the sooner; then the same label with other scores."
            if different
            else "No image was seen on which they differ."
        )
        shown = [_shown(each, ("old", "new"), thumbnails) for each in different]
        return Gallery("Images on which they differ most", about, shown)
    unsure = list(evidence.least_sure)[:MOST]
    about = (
        "In a canary each image is answered by one model alone: there are no pairs to compare, as a shadow has them."
    )
    if not unsure:
        about += " No image was kept."
    return Gallery(
        "Images of which the new model is least sure", about, [_shown(each, ("new",), thumbnails) for each in unsure]
    )


def _shown(difference: Difference, sides: Sequence[str], thumbnails: Thumbnails | None) -> ShownImage:
    said = {"old": difference.old, "new": difference.new}
    picture = thumbnails(difference.image) if thumbnails else None
    return ShownImage(difference.image, picture, [_answer(side, said[side]) for side in sides])


def _answer(side: str, gist: Gist | None) -> ShownAnswer:
    if gist is None:
        return ShownAnswer(side, "no answer", "")
    label = NO_LABEL if gist.label == NOTHING else gist.label
    return ShownAnswer(
        side, label if label is not None else "numbers", "" if gist.score is None else f"{gist.score:.3f}"
    )
