"""From a model's own numbers to probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import Activation
from models.errors import ImageError, ImageFault


def finite(output: NDArray[Any]) -> NDArray[np.float64]:
    """An output as float64, of the same shape.

    Raises:
        ImageError: `non_finite_output`; the answer is not a number.
    """
    # Some dtypes cannot be negated (unsigned), and some Python's JSON has never heard of (bfloat16).
    values = np.asarray(output).astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageError(ImageFault.NON_FINITE_OUTPUT, "the model's output for this image is not finite")
    return values


def probabilities(scores: NDArray[np.float64], activation: Activation) -> NDArray[np.float64]:
    """Scores as probabilities; classes are the last axis."""
    if activation == "softmax":
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
    if activation == "sigmoid":
        return 0.5 + 0.5 * np.tanh(0.5 * scores)  # which no score is too large for
    return scores
