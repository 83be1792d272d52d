"""A fleet in an empty database: each test runs on SQLite, and on PostgreSQL where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.fleet import Fleet
from tests.databases.empty import BACKENDS, empty_database
from tests.fleet.running_api import Api, running_api
from tests.fleet.simulated import Clock


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is empty, or not there yet."""
    return empty_database(request, tmp_path)


@pytest.fixture
def clock() -> Clock:
    """Time that a test sets."""
    return Clock()


@pytest.fixture
def fleet(address: str, clock: Clock) -> Iterator[Fleet]:
    """A fleet without devices."""
    with Fleet(address, clock=clock) as fleet:
        yield fleet


@pytest.fixture
def api(fleet: Fleet, clock: Clock, tmp_path: Path) -> Iterator[Api]:
    """The fleet as devices ask it."""
    with running_api(fleet, tmp_path / "shelf", clock) as api:
        yield api
