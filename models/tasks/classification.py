"""Which class an image is of: of many, or of two by one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.tasks.prediction import ClassScore, Labelled, Ranked
from models.tasks.scores import finite, probabilities

TOP = 5


def classify(output: NDArray[Any], card: Card) -> Ranked:
    """The best classes of a row of class scores.

    Raises:
        ImageError: `non_finite_output`.
    """
    row = probabilities(finite(output).reshape(-1), card.activation)
    best = np.argsort(-row, kind="stable")[:TOP].tolist()
    return Ranked(tuple([ClassScore(card.label(i), i, float(row[i])) for i in best]))


def decide(output: NDArray[Any], card: Card) -> Ranked:
    """Which of two classes it is, by the score of the second, which wins from the card's threshold on.

    Raises:
        ImageError: `non_finite_output`.
    """
    second = float(probabilities(finite(output).reshape(-1), card.activation)[0])
    both = (ClassScore(card.label(0), 0, 1.0 - second), ClassScore(card.label(1), 1, second))
    return Ranked(both[::-1] if second >= card.threshold else both)


def choose(output: NDArray[Any], card: Card) -> Labelled:
    """The classes of a row of independent scores that reach the card's threshold, best first.

    Raises:
        ImageError: `non_finite_output`.
    """
    row = probabilities(finite(output).reshape(-1), card.activation)
    best = [i for i in np.argsort(-row, kind="stable").tolist() if row[i] >= card.threshold]
    return Labelled(tuple(ClassScore(card.label(i), i, float(row[i])) for i in best))
