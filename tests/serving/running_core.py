"""A real core on an event loop of its own, and the real HTTP server on it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from models.serving import ServingConfig
from models.storage.schemes import AnyStorage
from serving.access import Access
from serving.core import Core, CoreConfig
from serving.over_http.application import application
from tests.waiting import eventually

Made = TypeVar("Made")


class RunningCore:
    """A core, and the thread whose event loop it belongs to.

    Attributes:
        core: it.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True)
        self._thread.start()
        self.core = self.run(_core(config))

    def run(self, work: Coroutine[Any, Any, Made]) -> Made:
        """Has some work done on the event loop; answers what it returns, or raises what it does."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        """Has some work done on the event loop, and does not wait for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def await_model(self) -> None:
        """Waits until one is live; a rejected one fails the test with its reason."""

        def is_live() -> bool:
            for status in self.core.statuses.all():
                assert not status.reason, status.reason
            return self.core.live is not None

        eventually(is_live, "a model to be live")

    def close(self) -> None:
        """Ends the core and its loop."""
        self.core.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def running_core(models: Path, cache: Path, **settings: Any) -> Iterator[RunningCore]:
    """A core that serves the models of a folder, looks at it ten times a second, and knows them as `default`.

    Args:
        models: folder of ONNX files; it may be empty.
        cache: where compiled forms are kept.
        settings: of `CoreConfig`, others than the usual ones.
    """
    serving = ServingConfig(str(models / "*.onnx"), poll_seconds=0.1, max_batch_size=4, cache_folder=str(cache))
    running = RunningCore(replace(CoreConfig(serving), **settings))
    try:
        yield running
    finally:
        running.close()


@contextmanager
def http_server(running: RunningCore, access: Access | None = None, **settings: Any) -> Iterator[str]:
    """The HTTP side on a free port; gives its address, `http://127.0.0.1:PORT`.

    Args:
        running: answers.
        access: who may ask; anybody unless it says otherwise.
        settings: of `application`.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        application(running.core, access or Access(), **settings),
        loop="none",
        http="httptools",
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    running.begin(server.serve(sockets=[listening]))
    eventually(lambda: server.started, "the HTTP server to start")
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        eventually(lambda: not server.started, "the HTTP server to end")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        self.started = False


async def _core(config: CoreConfig) -> Core:
    return Core(config, AnyStorage())
