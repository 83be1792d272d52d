"""What tests of the HTTP side share: a server on a model that tells its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.end_to_end.telling_models import drop
from tests.serving.running_core import RunningCore, http_server, running_core


class Served(NamedTuple):
    """A server on one model.

    Attributes:
        http: a client of it.
        url: of it.
        running: its core.
        model_id: of its model.
    """

    http: httpx.Client
    url: str
    running: RunningCore
    model_id: str

    @property
    def version(self) -> int:
        """Of its model."""
        return int(self.model_id.rpartition(":")[2], 16)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on the model `first`, which is live."""
    folder: Path = tmp_path_factory.mktemp("served")
    (folder / "models").mkdir()
    model_id = drop(folder / "models", "first")
    with running_core(folder / "models", folder / "cache") as running, http_server(running) as url:
        running.await_model()
        with httpx.Client(base_url=url, timeout=60) as http:
            yield Served(http, url, running, model_id)
