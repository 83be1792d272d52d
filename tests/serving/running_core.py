"""A real core on an event loop of its own, which vets, loads and answers, and the real HTTP server on it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from models.serving import ServingConfig
from models.storage.schemes import AnyStorage
from models.trials.terms import NO_TRIALS, TrialTerms
from serving.access import Access
from serving.asking import Answer, Asked
from serving.core import Core, CoreConfig
from serving.over_http.application import application
from serving.statuses import State, Status
from tests.waiting import eventually

Made = TypeVar("Made")
PROTOCOL = "tensorflow"
"""That `RunningCore.ask` speaks."""


class RunningCore:
    """A core, the thread whose event loop it belongs to, and what lies under it.

    Attributes:
        core: it.
        models: the folder of its models.
        cache: the folder of what it compiled.
    """

    def __init__(self, config: CoreConfig, models: Path, cache: Path) -> None:
        self.models = models
        self.cache = cache
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True)
        self._thread.start()
        self.core = self.run(_core(config))

    def run(self, work: Coroutine[Any, Any, Made]) -> Made:
        """Has some work done on the event loop; answers what it returns, or raises what it does."""
        return self.begin(work).result(120)

    def begin(self, work: Coroutine[Any, Any, Made]) -> Future[Made]:
        """Has some work done on the event loop, and does not wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def ask(self, *images: bytes) -> Answer:
        """The answer to a request of images."""
        return self.run(self.core.answer(Asked(images), PROTOCOL))

    def await_model(self) -> None:
        """Waits until one is live; a rejected one fails the test with its reason."""

        def is_live() -> bool:
            for status in self.core.statuses.all():
                assert not status.reason, status.reason
            return self.core.live is not None

        eventually(is_live, "a model to be live")

    def await_live(self, path: Path) -> str:
        """Waits until a file is the live model; returns its id."""

        def model_id() -> str:
            live = self.core.live
            return live.reference.model_id if live and Path(live.reference.uri).name == path.name else ""

        return eventually(model_id, f"{path.name} to be live")

    def status(self, name: str) -> Status | None:
        """Of the model of a file's name; the newest, where there are several."""
        return next((each for each in reversed(self.core.statuses.all()) if f"/{name}@" in each.model_id), None)

    def await_state(self, name: str, state: State) -> Status:
        """Waits until a model is in a state."""

        def look() -> Status | None:
            status = self.status(name)
            return status if status is not None and status.state is state else None

        found = eventually(look, f"{name} to be {state.name}")
        assert found is not None
        return found

    def metric(self, line: str) -> float:
        """The value of a series, by its name and labels as Prometheus reads them; 0 where there is none."""
        for each in self.core.metrics.text().decode().splitlines():
            name, _, value = each.rpartition(" ")
            if name == line:
                return float(value)
        return 0.0

    def close(self) -> None:
        """Ends the core and its loop."""
        self.core.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def running_core(models: Path, cache: Path, trials: TrialTerms = NO_TRIALS, **settings: Any) -> Iterator[RunningCore]:
    """A core that serves the models of a folder, looks at it 20 times a second, and knows them as `default`.

    Args:
        models: folder of ONNX files; it may be empty, and is made where there is none.
        cache: where compiled forms are kept.
        trials: on which terms new models are tried.
        settings: of `CoreConfig`, others than the usual ones.
    """
    models.mkdir(exist_ok=True)
    pattern = str(models / "*.onnx")
    serving = ServingConfig(pattern, 0.05, "onnx", max_batch_size=4, cache_folder=str(cache), trials=trials)
    running = RunningCore(replace(CoreConfig(serving), **settings), models, cache)
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
    server = uvicorn.Server(config)
    ended = running.begin(server.serve(sockets=[listening]))
    eventually(lambda: server.started, "the HTTP server to start")
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        ended.result(120)


async def _core(config: CoreConfig) -> Core:
    return Core(config, AnyStorage())
