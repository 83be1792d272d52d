"""A disk that is soon full, for the tests of any room that import it into their conftest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte, or of as many as `@pytest.mark.parametrize("small_disk", [64], indirect=True)` says."""
    place = tmp_path / "disk"
    place.mkdir()
    size = f"size={getattr(request, 'param', 1)}m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], capture_output=True).returncode:
        pytest.skip("only root mounts a small disk")
    try:
        yield place
    finally:
        # What still has a file open there may be ending yet.
        subprocess.run(["umount", "--lazy", place], check=True)
