"""How sure a model was of its answers: ten bins, their sum and their squares."""

from __future__ import annotations

import math
from typing import Any

from models.trials.counts import read_count

SCORE_BINS = 10
_PARTS = 1_000_000


class Scores:
    """Numbers between 0 and 1. Sums are whole numbers of millionths, the same in whatever order they are added."""

    def __init__(self) -> None:
        self.bins = [0] * SCORE_BINS
        """How many were from i/10 to (i+1)/10."""
        self._total = 0
        self._squares = 0

    def add(self, score: float | None) -> None:
        """Counts one; None and what is not finite are left out, what is outside of 0 to 1 is taken for the nearer."""
        if score is None or not math.isfinite(score):
            return
        kept = min(max(score, 0.0), 1.0)
        self.bins[min(int(kept * SCORE_BINS), SCORE_BINS - 1)] += 1
        self._total += round(kept * _PARTS)
        self._squares += round(kept * kept * _PARTS)

    def merge(self, other: Scores) -> None:
        """Adds what another one counted."""
        self.bins = [mine + others for mine, others in zip(self.bins, other.bins, strict=True)]
        self._total += other._total
        self._squares += other._squares

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.bins)

    @property
    def mean(self) -> float:
        """Of all, 0 to 1; 0.0 where there are none."""
        return self._total / _PARTS / max(self.count, 1)

    @property
    def variance(self) -> float:
        """Of all, at least 0."""
        return max(0.0, self._squares / _PARTS / max(self.count, 1) - self.mean**2)

    def to_json(self) -> dict[str, Any]:
        """As `read` reads it."""
        return {"bins": list(self.bins), "total": self._total, "squares": self._squares}

    def read(self, value: Any) -> None:
        """Adds what `to_json` told.

        Raises:
            ValueError: it did not.
        """
        bins, total, squares = value["bins"], read_count(value["total"]), read_count(value["squares"])
        if not isinstance(bins, list) or len(bins) != SCORE_BINS:
            raise ValueError(f"not {SCORE_BINS} bins of scores")
        if max(total, squares) > sum(map(read_count, bins)) * _PARTS:
            raise ValueError("scores above 1")
        self.bins = [mine + others for mine, others in zip(self.bins, bins, strict=True)]
        self._total += total
        self._squares += squares
