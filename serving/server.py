"""The server as a program: both sides on one event loop, from the first look to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from models.printable import logger
from serving.access import Access
from serving.core import Core
from serving.listening import (
    HttpServer,
    allow_connections,
    host_and_port,
    http_server,
    listening_at,
    stop_requests,
    unless_asked_again,
)
from serving.over_grpc.endpoint import Endpoint
from serving.over_http.application import application
from serving.over_http.observed import Observed
from serving.telemetry.observing import Observer, Observing

_LOGGER = logger(__name__)

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is reached, and how it ends.

    Attributes:
        access: who may come in, and where it listens.
        grpc_port: 0 for one that is free.
        http_port: the same.
        max_message: bytes of a request.
        calls: under way at once; more are refused.
        drain: seconds for which it goes on taking requests once it is to end, and is told not to be ready.
        finish: seconds that it then waits for what is under way.
        observing: what is told of each request.
    """

    access: Access = field(default_factory=Access)
    grpc_port: int = 8500
    http_port: int = 8501
    max_message: int = 64 << 20
    calls: int = 512
    drain: float = 0.0
    finish: float = 30.0
    observing: Observing = field(default_factory=Observing)


async def serve(begin: Callable[[], Core], config: ServerConfig, say: Callable[[str], None]) -> None:
    """Answers until SIGTERM or SIGINT, then finishes what is under way; a second signal ends at once.

    Args:
        begin: makes what answers, once the addresses are there; it is closed at the end.
        config: how it is reached.
        say: is told, in a line, that it is ready, and that it ends.

    Raises:
        OSError: an address cannot be had.
        ObservingRefused: requests cannot be told of as asked for.
    """
    allow_connections()
    stops = stop_requests()
    with listening_at(config.access.host, config.http_port) as http_socket:
        listening_at(
            config.access.host, config.grpc_port
        ).close()  # gRPC's own words for it are many, and none of them its
        core = begin()
        try:
            await _serve_on(http_socket, core, config, stops, say)
        finally:
            await asyncio.to_thread(core.close)


async def _serve_on(
    http_socket: socket.socket, core: Core, config: ServerConfig, stops: asyncio.Queue[int], say: Callable[[str], None]
) -> None:
    with _observer(core, config) as observer:
        endpoint = Endpoint(core, config.access, config.grpc_port, config.max_message, config.calls, observer)
        http = _http_server(core, config, observer)
        await endpoint.start()
        http_task = asyncio.create_task(http.serve(sockets=[http_socket]))
        health = asyncio.create_task(_tell_health(core, endpoint))
        ready = asyncio.create_task(_tell_ready(core, endpoint, _ready_line(core, config, endpoint, http_socket), say))
        try:
            await stops.get()
            _LOGGER.info("ending: no longer ready, %d images under way", core.under_way)
            core.drain()
            endpoint.tell(False)
            if await unless_asked_again(stops, asyncio.sleep(config.drain)):
                http.should_exit = True
                await unless_asked_again(stops, asyncio.gather(endpoint.stop(config.finish), http_task))
        finally:
            for task in (ready, health):
                task.cancel()
            http.should_exit = http.force_exit = True
            await endpoint.stop(0)
            await asyncio.gather(http_task, return_exceptions=True)


@contextlib.contextmanager
def _observer(core: Core, config: ServerConfig) -> Iterator[Observer | None]:
    observer = config.observing.begin(core.metrics.lost)
    try:
        yield observer
    finally:
        if observer is not None:
            observer.close()


async def _tell_health(core: Core, endpoint: Endpoint) -> None:
    """Follows whether the core is ready."""
    told = False
    while True:
        if core.is_ready != told:
            told = core.is_ready
            endpoint.tell(told)
        await asyncio.sleep(_LOOK_SECONDS)


async def _tell_ready(core: Core, endpoint: Endpoint, line: str, say: Callable[[str], None]) -> None:
    await core.wait_until_ready()
    endpoint.tell(core.is_ready)
    say(line)


def _ready_line(core: Core, config: ServerConfig, endpoint: Endpoint, http: socket.socket) -> str:
    host = config.access.host
    grpc_at, http_at = host_and_port(host, endpoint.port), host_and_port(host, http.getsockname()[1])
    return f"ready: grpc={grpc_at} http={http_at} model={core.name}"


def _http_server(core: Core, config: ServerConfig, observer: Observer | None) -> HttpServer:
    answering = application(core, config.access, max_body=config.max_message)
    observed = Observed(answering, observer) if observer is not None else answering
    return http_server(observed, config.access, config.finish)
