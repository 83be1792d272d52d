"""A device with an agent, the server that it asks, and two components that it may be told to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component_files import component_of
from tests.edge.agents import DeviceFiles
from tests.edge.fleet_server import FleetServer


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceFiles:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    return DeviceFiles(tmp_path)


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as server:
        yield server


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return component_of(tmp_path / "shelf", favours=0, version="1.0.0")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return component_of(tmp_path / "shelf", favours=2, version="2.0.0")
