"""How often a quantized model answers as the one that it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artefacts import Artefact
from models.compute_threads import cores
from models.engines import Outputs, load_engine

RANGE_SHARE = 0.05
"""Of the range that an output has over all images: answers that differ by no more count as the same."""
_AT_ONCE = 8
"""Images, whose answers are in memory twice."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models answer the same images.

    Attributes:
        images: how many.
        share: of the images that get the same answer: the same first class of a classification, else numbers that each
            lie within `RANGE_SHARE`.
        difference: the largest between any two numbers; infinite where one is none.
        classes: whether it is a classification.
    """

    images: int
    share: float
    difference: float
    classes: bool

    def __str__(self) -> str:
        same = "the same first class" if self.classes else f"answers within {RANGE_SHARE:.0%} of their range"
        return f"{self.share:.1%} of {self.images} images have {same}, the largest difference is {self.difference:.2g}"


def agreement(original: Artefact, quantized: Artefact, images: NDArray[Any]) -> Agreement:
    """How two models answer the same images, each by the engine that serves it.

    Args:
        original: a vetted model.
        quantized: another that takes the same images.
        images: as both take them, shape (n, …).
    """
    engines = [load_engine(artefact, cores()) for artefact in (original, quantized)]
    classes = original.manifest.card.task == "classification"
    apart, same_class, low, high = [], [], [], []
    for start in range(0, len(images), _AT_ONCE):
        some = np.ascontiguousarray(images[start : start + _AT_ONCE])
        ours, theirs = (_flat(engine.predict(some)) for engine in engines)
        apart.append(np.stack([_difference(*pair) for pair in zip(ours, theirs, strict=True)], axis=1))
        same_class.append(ours[0].argmax(axis=1) == theirs[0].argmax(axis=1))
        low.append([output.min() for output in ours])
        high.append([output.max() for output in ours])
    differences = np.concatenate(apart)
    ranges = np.max(high, axis=0) - np.min(low, axis=0)
    same = np.concatenate(same_class) if classes else (differences <= RANGE_SHARE * ranges).all(axis=1)
    same &= np.isfinite(differences).all(axis=1)
    return Agreement(len(images), float(same.mean()), float(differences.max()), classes)


def _flat(outputs: Outputs) -> list[NDArray[Any]]:
    """Each output, shape (n, numbers)."""
    return [output.reshape(len(output), -1).astype(np.float64) for output in outputs]


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
    """The largest for each image, shape (n,)."""
    return np.nan_to_num(np.abs(ours - theirs).max(axis=1), nan=np.inf)
