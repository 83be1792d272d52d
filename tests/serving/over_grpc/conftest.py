"""What tests of the gRPC side share: a server on a model that tells its name."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.end_to_end.telling_models import drop
from tests.serving.over_grpc.speaking import Speaker, speaking
from tests.serving.running_server import RunningServer, running_server

LABEL = "first"
USUAL_OPEN_FILES = 1024


class Served(NamedTuple):
    """A server on one model, of 8x8 RGB images, whose own input is `image`.

    Attributes:
        server: it.
        address: where it speaks gRPC.
        speaker: a connection to it.
        label: that its model gives to any image.
        model_id: of its model.
    """

    server: RunningServer
    address: str
    speaker: Speaker
    label: str
    model_id: str

    @property
    def version(self) -> int:
        """Of its model."""
        return int(self.model_id.rpartition(":")[2], 16)

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self.server.process.pid


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on the model `first`, which is live, and stays."""
    few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(few, USUAL_OPEN_FILES), most))  # for the server to begin with
    with running_server(tmp_path_factory.mktemp("served")) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
        model_id = drop(server.models, LABEL)
        with speaking(server.grpc) as speaker:
            yield Served(server, server.grpc, speaker, LABEL, model_id)
