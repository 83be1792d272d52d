"""An answer in a few words, for whoever reads along."""

from __future__ import annotations

from collections import Counter

from models.tasks import Detections, Labelled, Mask, Numbers, Prediction, Ranked

_NUMBERS_SHOWN = 5


def in_words(prediction: Prediction) -> str:
    """The label; of an answer with several what there is, or that there is nothing."""
    match prediction:
        case Ranked(top):
            return top[0].label
        case Labelled(labels):
            return ", ".join(each.label for each in labels) or "nothing"
        case Detections(detections):
            things = Counter(each.found.label for each in detections)
            return ", ".join(f"{count} {label}" for label, count in things.items()) or "nothing"
        case Mask():
            return ", ".join(f"{each.label} {each.share:.0%}" for each in prediction.shares)
        case Numbers(outputs):
            return "; ".join(map(_some, outputs.values()))


def _some(values: tuple[float, ...]) -> str:
    shown = " ".join(f"{value:.6g}" for value in values[:_NUMBERS_SHOWN])
    return shown + (" …" if len(values) > _NUMBERS_SHOWN else "")
