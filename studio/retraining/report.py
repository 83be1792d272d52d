"""What a candidate knows, counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.printable import logger
from studio.retraining.digits import Digits
from studio.retraining.scores import score_of_keras

_LOGGER = logger(__name__)


def report(
    candidate: Any,
    origin: Mapping[str, Any],
    data: Mapping[str, Any],
    validation: Digits,
    test: Digits,
    seen: Digits,
    unseen: Digits,
    variants: Digits,
) -> dict[str, Any]:
    """All that is known of a candidate.

    Args:
        candidate: a model of Keras.
        origin: as `train` and `tune` return it.
        data: as `assemble` returns it.
        validation: digits to stop by.
        test: held-out digits.
        seen: corrections that it learnt from.
        unseen: corrections that no model learns from.
        variants: fresh variants of what it learnt from, see `fresh_variants`.

    Returns:
        `data_version`, `images`, `left_out`, `made_by`, `parent`, `parameters`, and `right`: of each of the five, how
        many of how many.
    """
    parts = {"validation": validation, "test": test, "seen": seen, "unseen": unseen, "variants": variants}
    right = {name: score_of_keras(candidate, part)._asdict() for name, part in parts.items()}
    for name, score in right.items():
        _LOGGER.info("%s: %d of %d are right", name, score["right"], score["of"])
    return {**data, **origin, "right": right}
