"""Live models that try others: real ONNX Runtime engines of tiny models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import live
from models.events import EventLog
from models.live import LiveModels
from models.storage.local_objects import LocalObjects
from models.trials.gathering import Gathering
from models.trials.kept import KeptTrials
from tests.models.live_bench import Gated, Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def events() -> EventLog:
    return EventLog()


@pytest.fixture
def kept(tmp_path: Path) -> KeptTrials:
    return KeptTrials(LocalObjects(tmp_path / "registry"), "trials/")


@pytest.fixture
def gathering(kept: KeptTrials) -> Iterator[Gathering]:
    gathering = Gathering(kept, write_seconds=0.01)
    yield gathering
    gathering.close()


@pytest.fixture
def models(
    shelf: Shelf, events: EventLog, gathering: Gathering, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LiveModels]:
    monkeypatch.setattr(live, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(live, "LAST_BATCH_SECONDS", 0.2)
    models = LiveModels(shelf.obtain, events, shelf.load, (1, 2), gathering)
    yield models
    models.close()


@pytest.fixture
def gated(shelf: Shelf, events: EventLog) -> Iterator[Gated]:
    gated = Gated(shelf, events)
    yield gated
    gated.close()
