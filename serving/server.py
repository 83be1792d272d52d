"""The server as a program: both sides on one event loop, from the first look to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import uvicorn

from models.printable import logger
from serving.access import Access
from serving.core import Core
from serving.over_grpc.endpoint import Endpoint
from serving.over_http.application import application
from serving.over_http.bounded_protocol import BoundedProtocol
from serving.over_http.observed import Observed
from serving.telemetry.observing import Observer, Observing

_LOGGER = logger(__name__)

_LOOK_SECONDS = 0.1
_BACKLOG = 2048


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
    _allow_connections()
    stops = _stop_requests()
    with _listening(config.access.host, config.http_port) as http_socket:
        _listening(
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
            if await _unless_asked_again(stops, asyncio.sleep(config.drain)):
                http.should_exit = True
                await _unless_asked_again(stops, asyncio.gather(endpoint.stop(config.finish), http_task))
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


def _allow_connections() -> None:
    """Lets the process have as many open at once as the system allows it: the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop_requests() -> asyncio.Queue[int]:
    stops: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stops.put_nowait, number)
    return stops


async def _unless_asked_again(stops: asyncio.Queue[int], work: Awaitable[object]) -> bool:
    """Does some work, unless it is to end at once; whether the work is done."""
    working: asyncio.Future[object] = asyncio.ensure_future(work)
    again: asyncio.Future[object] = asyncio.ensure_future(stops.get())
    await asyncio.wait({working, again}, return_when=asyncio.FIRST_COMPLETED)
    done = not again.done()
    for task in (working, again):
        task.cancel()
    return done


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
    at = f"[{host}]" if ":" in host.strip("[]") else host
    return f"ready: grpc={at}:{endpoint.port} http={at}:{http.getsockname()[1]} model={core.name}"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        # For all connections: a response is written in two parts, and its second would wait 40 ms for the client's word
        # that it has the first. The event loop sets it only where a socket says its protocol, as this one does not.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise OSError(
            f"{host}:{port} cannot be listened at: {why}; choose another port, or 0 for one that is free"
        ) from error


class _HttpServer(uvicorn.Server):
    """Uvicorn's, which leaves signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _http_server(core: Core, config: ServerConfig, observer: Observer | None) -> _HttpServer:
    access = config.access
    answering = application(core, access, max_body=config.max_message)
    settings = uvicorn.Config(
        Observed(answering, observer) if observer is not None else answering,
        loop="none",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(config.finish) or 1,
        ssl_certfile=access.certificate,
        ssl_keyfile=access.key,
        ssl_ca_certs=str(access.client_authority) if access.client_authority else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if access.client_authority else ssl.CERT_NONE,
    )
    settings.load()
    return _HttpServer(settings)
