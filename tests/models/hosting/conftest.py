"""Models in processes of their own, which nobody waits long for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.hosting import hosted_engine
from models.hosting.hosted_engine import Hosts


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    monkeypatch.setattr(hosted_engine, "LEAST_SECONDS", 1.0)
    monkeypatch.setattr(hosted_engine, "FIRST_SECONDS", 1.0)
    hosts = Hosts()
    yield hosts
    hosts.close()
