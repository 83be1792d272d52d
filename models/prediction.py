"""From a model's numbers to an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.card import Card
from models.engines import Outputs
from models.errors import ImageError, ImageFault

TOP = 5


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class and its score, as the model gave it."""

    label: str
    class_index: int
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer: `top` (best first, at most five) of a classification, else the model's `values`."""

    top: tuple[ClassScore, ...] = ()
    values: tuple[float, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields of a result record that tell the answer."""
        if not self.top:
            return {"values": list(self.values)}
        ranked = [{"label": item.label, "class_index": item.class_index, "score": item.score} for item in self.top]
        return ranked[0] | {"top": ranked}


def interpret(outputs: Outputs, card: Card) -> Prediction:
    """What a model's answer to one image means.

    Args:
        outputs: a row of each of its outputs.
        card: says the task and the labels.

    Raises:
        ImageError: `non_finite_output`; the answer is not a number.
    """
    # Some dtypes cannot be negated (unsigned), and some Python's JSON has never heard of (bfloat16).
    row = np.concatenate([np.asarray(output).reshape(-1).astype(np.float64) for output in outputs])
    if not np.isfinite(row).all():
        raise ImageError(ImageFault.NON_FINITE_OUTPUT, "the model's output for this image is not finite")
    if card.task != "classification":
        return Prediction(values=tuple(float(value) for value in row))
    best = np.argsort(-row, kind="stable")[:TOP]
    return Prediction(top=tuple(ClassScore(card.label(int(i)), int(i), float(row[i])) for i in best))
