"""What any test may use: Pub/Sub, PostgreSQL, a cache of compiled models, and files that only Keras can write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.pubsub_emulator import PubSubEmulator
from models.registry.cache import ArtefactCache
from tests.databases.postgresql import PostgreSQL, postgresql_server
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION, TOPIC
from tests.own_process import run_module


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSubEmulator]:
    """With one topic and one subscription; every client in this process sees it."""
    with PubSubEmulator() as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        emulator.create_topic(TOPIC)
        emulator.create_subscription(SUBSCRIPTION, TOPIC)
        yield emulator


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server that runs until the tests end."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> ArtefactCache:
    """What one test has compiled, another finds."""
    return ArtefactCache(tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="session")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `tests.model_files.make_keras_files`; made by a process of its own, which imports Keras."""
    folder = tmp_path_factory.mktemp("keras")
    run_module("tests.model_files", folder)
    return folder
