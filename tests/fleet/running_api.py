"""What a fleet's server answers over HTTP, on a port of its own, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from fleet.addresses import BucketAddresses, OwnAddresses, Signing
from fleet.addressing import Addressing
from fleet.allowance import Allowance, AtOnce
from fleet.application import Calls, application, report_bodies
from fleet.archives import Shelf
from fleet.fleet import Fleet
from fleet.metrics import Metrics, standing_of
from fleet.polls import Polls
from fleet.releases import Release
from models.components.component import TARGETS
from models.reference import sha256_of
from models.storage.schemes import AnyStorage
from models.troubles import Troubles
from serving.access import Access
from serving.listening import HttpServer, http_server, listening_at
from tests.fleet.simulated import Clock
from tests.waiting import eventually


@dataclass
class Api:
    """A server that answers devices of a fleet.

    Attributes:
        fleet: whose devices ask.
        shelf: the folder of its archives.
        clock: by which addresses die.
        polls: of the server.
        url: where it is.
        http: a client of it.
        said: lines about what does not work.
    """

    fleet: Fleet
    shelf: Path
    clock: Clock
    polls: Polls
    url: str
    http: httpx.Client
    said: list[str] = field(default_factory=list)

    def device(self, name: str = "robot-1") -> dict[str, str]:
        """A device that follows the live model; the headers by which it is let in."""
        return bearing(self.fleet.devices.add(name))

    def release(self, version: str = "1.0.0", content: bytes = b"PK of a model" * 1000) -> Release:
        """Has an archive be on the shelf and on record, and live."""
        path = self.shelf / "model" / version / f"model-{version}-{TARGETS[0]}.zip"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        digest = sha256_of(path)
        made = self.fleet.releases.record(
            Release("model", version, TARGETS[0], "m.onnx@sha256:0", digest, digest, len(content), str(path))
        )
        self.fleet.rollouts.start("model", version)
        self.fleet.advance()
        return made


def bearing(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {token}"}


@contextmanager
def running_api(
    fleet: Fleet,
    shelf: Path,
    clock: Clock,
    *,
    access: Access | None = None,
    public_url: str | None = None,
    allowance: Allowance | None = None,
    signing: Signing | None = None,
) -> Iterator[Api]:
    """Answers within it."""
    said: list[str] = []
    ready = threading.Event()
    begun: list[tuple[HttpServer, Polls]] = []
    access = access or Access()
    with (
        listening_at(access.host, 0) as listening,
        ThreadPoolExecutor(4) as threads,
        ThreadPoolExecutor(2) as writers,
        ThreadPoolExecutor(4) as minting,
    ):

        async def serve() -> None:
            polls = Polls(fleet.devices.heads, threads)
            troubles = Troubles(said.append)
            own = OwnAddresses(fleet.settings.url_key())
            calls = Calls(
                fleet,
                polls,
                Shelf(fleet.releases, shelf, troubles),
                Addressing(own, BucketAddresses(signing or AnyStorage()), minting, troubles, public_url, clock),
                access,
                Metrics(lambda: standing_of(fleet, clock())),
                threads,
                writers,
                allowance or Allowance(),
                AtOnce(),
                troubles,
                report_bodies(threads),
            )
            server = http_server(application(calls), access, finish=1)
            begun.append((server, polls))
            ready.set()
            await server.serve(sockets=[listening])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        assert ready.wait(30)
        [(server, polls)] = begun
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            eventually(lambda: server.started, "the server")
            with httpx.Client(base_url=url, timeout=30) as http:
                yield Api(fleet, shelf, clock, polls, url, http, said)
        finally:
            server.should_exit = True
            thread.join()
