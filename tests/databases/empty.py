"""An empty database: tests run on SQLite, and on PostgreSQL where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.databases.postgresql import PostgreSQL

BACKENDS = ("sqlite", "postgresql")


def empty_database(request: pytest.FixtureRequest, folder: Path) -> str:
    """The address of one, of the kind that a fixture with `params=BACKENDS` is asked for."""
    if request.param == "sqlite":
        return f"sqlite:///{folder}/kept.db"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()
