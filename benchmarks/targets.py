"""What is aimed at, and whether it was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that was aimed at.

    Attributes:
        measure: what.
        reached: the value.
        wanted: the bound.
        sense: whether the bound is the least (`≥`) or the most (`≤`).
    """

    measure: str
    reached: float
    wanted: float
    sense: Literal["≥", "≤"]

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.reached >= self.wanted if self.sense == "≥" else self.reached <= self.wanted
