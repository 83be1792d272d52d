"""An empty database: each test runs on SQLite, and on PostgreSQL where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases.empty import BACKENDS, empty_database


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is empty, or not there yet."""
    return empty_database(request, tmp_path)
