"""The folders that demonstrations have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where one demonstration lies, all of it below `root`."""

    root: Path

    @property
    def models(self) -> Path:
        """The folder that is watched."""
        return self.root / "models"

    @property
    def trained(self) -> Path:
        """Models that are yet to land in it."""
        return self.root / "trained"
