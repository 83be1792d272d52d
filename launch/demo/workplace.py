"""The folders that demonstrations have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.json_lines import whole_records


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


@dataclass(frozen=True, slots=True)
class StreamPlace(Workplace):
    """Where a local run has its images and its outputs; its folders are made with it."""

    def __post_init__(self) -> None:
        for folder in (self.images, self.models, self.trained):
            folder.mkdir()

    @property
    def images(self) -> Path:
        """Where they land."""
        return self.root / "images"

    def output(self, name: str) -> Path:
        """The file of `results`, `dead` or `events`."""
        return self.root / f"{name}.jsonl"

    def records(self, name: str) -> list[dict[str, Any]]:
        """What stands in one of these, as far as it is written."""
        return whole_records(self.output(name))
