"""One archive on its way to a device, again and again, and what may be said of it each time."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from edge.fetching import Fetching
from models.errors import FetchFailed

ARCHIVE = bytes(range(256)) * 1200
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


class Download:
    """Downloads one archive to one place, again and again.

    Attributes:
        target: where it is to be.
        part: where it lies until it is whole.
        told: how many bytes were said to lie there.
    """

    def __init__(self, folder: Path) -> None:
        self.target = folder / "incoming" / f"{SHA256}.zip"
        self.part = self.target.with_name(f"{SHA256}.zip.part")
        self.told: list[int] = []
        self.stop = threading.Event()
        self.fetching = Fetching(None, allow_here=True)

    def from_(self, url: str, size: int = len(ARCHIVE)) -> int:
        """Asks once."""
        return self.fetching.fetch(url, SHA256, size, self.target, self.stop, self.told.append)

    def refused(self, url: str) -> FetchFailed:
        """Why it did not come."""
        with pytest.raises(FetchFailed) as failure:
            self.from_(url)
        assert failure.value.detail.isprintable()
        assert len(failure.value.detail) <= 300
        assert not self.target.exists()
        assert max(self.told, default=0) <= len(ARCHIVE)
        assert not self.part.exists() or self.part.stat().st_size <= len(ARCHIVE)
        return failure.value

    def came(self) -> bool:
        """Whether it lies there, and nothing else."""
        assert [each.name for each in self.target.parent.iterdir()] == [self.target.name]
        return self.target.read_bytes() == ARCHIVE
