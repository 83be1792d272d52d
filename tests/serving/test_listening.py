"""However many connect, descriptors are left for what a server opens itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from serving.access import Access
from serving.listening import http_server, listening_at


@pytest.fixture
def few_descriptors() -> Iterator[int]:
    """How many this process may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(256, 2 * len(list(Path("/proc/self/fd").iterdir())))
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_those_who_connect_use_up_no_descriptors_and_are_told_of_once(
    few_descriptors: int, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[logging.LogRecord]:
        return [record for record in caplog.records if "turned away" in record.message]

    def connect(port: int) -> socket.socket:
        """Of each end of a connection this process has one descriptor."""
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")
        return connection

    def is_turned_away(connection: socket.socket) -> bool:
        try:
            return connection.recv(1) == b""
        except ConnectionError:
            return True

    async def flood() -> None:
        application = Starlette(routes=[Route("/", lambda request: PlainTextResponse("here"))])
        with listening_at("127.0.0.1", 0) as listening:
            port = listening.getsockname()[1]
            server = http_server(application, Access(), 1)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            held: list[socket.socket] = []
            while not told():
                held.append(await asyncio.to_thread(connect, port))
            held += [await asyncio.to_thread(connect, port) for _ in range(10)]
            assert await asyncio.to_thread(is_turned_away, held[-1])
            with Path(__file__).open() as file:
                assert file.fileno() < few_descriptors
            for each in held:
                each.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"here")
            writer.close()
            server.should_exit = True
            await serving

    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(flood(), 120))
    assert not [record for record in caplog.records if record.name == "asyncio"]
    assert len(told()) == 1
