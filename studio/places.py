"""Where the studio keeps what: all of it below one folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_NO_PATTERN = "*?["


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
    def identity(self) -> Path:
        """Which studio it is, among those that write to one database."""
        return self.root / "studio.id"

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

    @property
    def own(self) -> tuple[Path, ...]:
        """The folders below `root` in which files come and go; no model may lie there."""
        return (self.drawings, self.images, self.uploads, self.corrections, self.work, self.registry)

    @property
    def pattern(self) -> str:
        """What the stream is told to look for."""
        return f"{self.models}/*"

    def check(self) -> None:
        """Does nothing where there may be such folders, and models have one of their own with a name that patterns and
        Kedro can bear.

        Raises:
            ValueError: it is otherwise; the text is one line that says what to do.
        """
        if found := sorted(set(_NO_PATTERN) & set(str(self.models))):
            raise ValueError(f"{self.models} has {' and '.join(found)} in it; name another --models or --folder")
        if "," in f"{self.root}{self.models}":
            raise ValueError(f"{self.root} or {self.models} has a comma in it; name another --models or --folder")
        for folder, option in ((self.root, "--folder"), (self.models, "--models")):
            there = next((each for each in (folder, *folder.parents) if each.exists()), folder)
            if there.exists() and not there.is_dir():
                raise ValueError(f"{there} is a file; name a folder with {option}, or move the file away")
        models, root = self.models.resolve(), self.root.resolve()
        if models == root or any(models.is_relative_to(folder.resolve()) for folder in self.own):
            raise ValueError(f"{self.models} is where the studio keeps what is no model; name another folder --models")

    def make(self) -> None:
        """Makes the folders that are missing; all but the models' are their owner's alone.

        Raises:
            OSError: one cannot be made; its text is one line that says what to do.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            for folder in self.own:
                folder.mkdir(exist_ok=True, mode=0o700)
            self.models.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"{error.filename} cannot be made: {why}; name another --folder or --models") from error
