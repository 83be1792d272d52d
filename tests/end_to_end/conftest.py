"""What several end-to-end tests begin with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sample_images import encoded, small


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with one image, and an empty folder of models."""
    (tmp_path / "models").mkdir()
    (tmp_path / "image.png").write_bytes(encoded(small(), "PNG"))
    return tmp_path
