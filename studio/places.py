"""Where the studio keeps what: all of it below one folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The folders and files of one studio.

    Attributes:
        root: all but, perhaps, the models lie below it.
        models: where the stream looks for models, and where retraining publishes.
    """

    root: Path
    models: Path

    @property
    def drawings(self) -> Path:
        """What was drawn, as the stream reads it; old ones go."""
        return self.root / "drawings"

    @property
    def images(self) -> Path:
        """Other images that others may ask the stream for."""
        return self.root / "images"

    @property
    def uploads(self) -> Path:
        """Model files that were uploaded to be vetted."""
        return self.root / "uploads"

    @property
    def corrections(self) -> Path:
        """The corrections that a retraining learns from, written anew for each."""
        return self.root / "corrections"

    @property
    def work(self) -> Path:
        """Arrays, candidate and verdict of the last retraining."""
        return self.root / "retraining"

    @property
    def registry(self) -> Path:
        """What is known of models, and which is live."""
        return self.root / "registry"

    @property
    def lock(self) -> Path:
        """Held by the studio that runs here."""
        return self.root / "studio.lock"

    @property
    def database(self) -> Path:
        """The database where no other is named."""
        return self.root / "studio.db"

    @staticmethod
    def usual_root() -> Path:
        """Where a studio keeps what it keeps unless told otherwise, by the rules of the XDG."""
        data = Path(os.environ.get("XDG_DATA_HOME", ""))
        return (data if data.is_absolute() else Path.home() / ".local/share") / "hotswap/studio"

    def make(self) -> None:
        """Makes the folders that are missing.

        Raises:
            OSError: one cannot be made.
        """
        for folder in (self.drawings, self.images, self.uploads, self.corrections, self.work, self.registry):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.models.mkdir(parents=True, exist_ok=True)
