"""Listening over HTTP, for every server of this project: the socket, the settings, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import ssl
from collections.abc import Awaitable, Iterable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from models.printable import logger
from serving.access import Access
from serving.over_http.bounded_protocol import BoundedProtocol
from serving.seldom import Seldom

_BACKLOG = 2048


_LEFT_SHARE = 0.25
"""Of the descriptors that a process may have: left for files, databases and models, however many connect."""
_LOGGER = logger(__name__)


def allow_connections() -> None:
    """Lets the process have as many open at once as the system allows it: the usual limit is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def stop_requests() -> asyncio.Queue[int]:
    """The signals by which the program is asked to end, SIGTERM and SIGINT, as they come; for the running loop."""
    stops: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stops.put_nowait, number)
    return stops


async def until_asked(stops: asyncio.Queue[int], tasks: Iterable[asyncio.Task[Any]]) -> asyncio.Task[Any] | None:
    """Waits until the program is asked to end, or one of these tasks ends before that, unasked.

    Returns:
        The first of `tasks` that ended; None where somebody asked.
    """
    going_on = list(tasks)
    asked = asyncio.create_task(stops.get())
    await asyncio.wait({asked, *going_on}, return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        return None
    asked.cancel()
    return next(each for each in going_on if each.done())


async def unless_asked_again(stops: asyncio.Queue[int], work: Awaitable[object]) -> bool:
    """Does some work, unless it is to end at once; whether the work is done."""
    working: asyncio.Future[object] = asyncio.ensure_future(work)
    again: asyncio.Future[object] = asyncio.ensure_future(stops.get())
    await asyncio.wait({working, again}, return_when=asyncio.FIRST_COMPLETED)
    done = not again.done()
    for task in (working, again):
        task.cancel()
    return done


def listening_at(host: str, port: int) -> socket.socket:
    """A socket that connections come to.

    Args:
        host: a name or an address.
        port: 0 for one that is free.

    Raises:
        OSError: the address cannot be had; its text is one line that says what to do.
    """
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listening = _Listening(fileno=socket.create_server(address[:2], family=family, backlog=_BACKLOG).detach())
        # For all connections: a response is written in two parts, and its second would wait 40 ms for the client's word
        # that it has the first. The event loop sets it only where a socket says its protocol, as this one does not.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise OSError(
            f"{host}:{port} cannot be listened at: {why}; choose another port, or 0 for one that is free"
        ) from error


class _Listening(socket.socket):
    """Turns connections away while descriptors run out: else no archive, database or model could be opened, and each
    connection that waits would be an error of the event loop's.
    """

    _seldom = Seldom()

    def accept(self) -> tuple[socket.socket, Any]:
        """See `socket.socket`.

        Raises:
            ConnectionAbortedError: nobody is let in; event loops go on with the next.
        """
        connection, address = super().accept()
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The lowest number that is free is taken: so many descriptors are open at least.
        if most == resource.RLIM_INFINITY or connection.fileno() < most * (1 - _LEFT_SHARE):
            return connection, address
        connection.close()
        if count := self._seldom.count("away"):
            _LOGGER.warning("%d connections were turned away: as many are open as %d descriptors allow", count, most)
        raise ConnectionAbortedError("too many are connected")


def host_and_port(host: str, port: int) -> str:
    """Where one listens, as addresses have it: `[::1]:8600`."""
    return f"[{host}]:{port}" if ":" in host.strip("[]") else f"{host}:{port}"


def own_url(access: Access, listening: socket.socket) -> str:
    """Where a socket is reached: `https://[::1]:8600`."""
    scheme = "https" if access.is_encrypted else "http"
    return f"{scheme}://{host_and_port(access.host, listening.getsockname()[1])}"


class HttpServer(uvicorn.Server):
    """Uvicorn's, which leaves signals to the program."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(application: ASGIApp, access: Access, finish: float) -> HttpServer:
    """A server that is yet to be run, on sockets that are listened at.

    Args:
        application: that answers.
        access: of it the files for TLS.
        finish: seconds that it waits for what is under way, once it is to end.
    """
    settings = uvicorn.Config(
        application,
        loop="none",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(finish) or 1,
        ssl_certfile=access.certificate,
        ssl_keyfile=access.key,
        ssl_ca_certs=str(access.client_authority) if access.client_authority else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if access.client_authority else ssl.CERT_NONE,
    )
    settings.load()
    return HttpServer(settings)
