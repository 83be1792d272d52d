"""Clients whose heads are too large or too slow are sent away; all others are answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from serving.over_http import bounded_protocol
from serving.over_http.bounded_protocol import HEAD_SECONDS, LARGEST_HEAD, BoundedProtocol

REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def says_length(scope: Any, receive: Any, send: Any) -> None:
    """An application that tells how long the body was."""
    length, more = 0, True
    while more:
        message = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % length
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def listening(protocol: type[BoundedProtocol]) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    config = uvicorn.Config(says_length, port=0, loop="none", http=protocol, lifespan="off", log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield lambda: asyncio.open_connection("127.0.0.1", port)
    finally:
        server.should_exit = server.force_exit = True
        await server.shutdown()


def run(
    clients: Callable[[Callable[[], Awaitable[Streams]]], Awaitable[None]],
    protocol: type[BoundedProtocol] = BoundedProtocol,
) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60), listening(protocol) as connect:
            await clients(connect)

    asyncio.run(limited())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The status line of a response, and its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = [int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length")]
    return head.splitlines()[0], await reader.readexactly(length)


@pytest.mark.parametrize("endless", [b"x" * 1000, b"a: b\r\n" * 100, b"name" * 100 + b": value\r\n"])
def test_a_head_without_end_is_not_kept(endless: bytes) -> None:
    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\nx: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 * LARGEST_HEAD:
                writer.write(endless)
                await writer.drain()
                await asyncio.sleep(0)  # the server is on this event loop too, and draining need not let it run
                sent += len(endless)
                if reader.at_eof():
                    break
            else:
                pytest.fail("all of it was taken")

    run(clients)


def test_whoever_is_sent_away_is_told_why() -> None:
    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n" + b"a: b\r\n" * (LARGEST_HEAD // 6 + 1))
        status, body = await answer(reader)
        assert b" 431 " in status
        assert body == b'{"error": "the headers are larger than 64 KiB"}'

    run(clients)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nhost: he"])
def test_a_head_that_does_not_come_is_not_waited_for(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "HEAD_SECONDS", 0.05)

    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        with contextlib.suppress(ConnectionError):  # which it is where the end came before what is said
            writer.write(said)
            assert await reader.read() == b""

    run(clients)


def test_a_body_may_be_larger_and_slower_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    length = 20 * LARGEST_HEAD

    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\nexpect: 100-continue\r\n\r\n" % length)
        await reader.readuntil(b"\r\n\r\n")  # the head is there
        loop = asyncio.get_running_loop()
        clock = loop.time
        monkeypatch.setattr(loop, "time", lambda: clock() + HEAD_SECONDS + 1)
        for _ in range(20):
            writer.write(bytes(LARGEST_HEAD))
            await writer.drain()
        assert await answer(reader) == (b"HTTP/1.1 200 OK", b"%d" % length)

    run(clients)


def test_many_requests_on_one_connection_are_each_measured_by_themselves() -> None:
    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        padded = REQUEST[:-2] + b"x: " + b"a" * 1000 + b"\r\n\r\n"
        for _ in range(200):
            writer.write(padded)
            assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"
        writer.write(REQUEST * 20)
        assert [(await answer(reader))[1] for _ in range(20)] == [b"0"] * 20

    run(clients)


def first_at_once(size: int) -> type[BoundedProtocol]:
    """A protocol that hears its first bytes, so many, in one packet, as a network may have it."""

    class FirstAtOnce(BoundedProtocol):
        heard = b""
        left = size

        def data_received(self, data: bytes) -> None:
            self.heard += data
            if len(self.heard) >= self.left:
                first, rest, self.heard = self.heard[: self.left], self.heard[self.left :], b""
                self.left = 0
                for packet in filter(None, (first, rest)):
                    super().data_received(packet)

    return FirstAtOnce


LARGE = bytes(2 * LARGEST_HEAD)
BEFORE = {
    "a body": b"POST / HTTP/1.1\r\nhost: here\r\ncontent-length: %d\r\n\r\n%s" % (len(LARGE), LARGE),
    "a body in chunks": b"POST / HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"1000\r\n%s\r\n" % LARGE[:0x1000] * 32
    + b"0\r\n\r\n",
    "many heads": REQUEST * (2 * LARGEST_HEAD // len(REQUEST)),
}


@pytest.mark.parametrize("what", BEFORE)
def test_a_head_is_measured_without_what_comes_before_it_in_its_packet(what: str) -> None:
    before = BEFORE[what]

    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(before + REQUEST)
        answers = [await answer(reader) for _ in range(before.count(b"HTTP/1.1") + 1)]
        assert {status for status, _ in answers} == {b"HTTP/1.1 200 OK"}
        assert answers[-1][1] == b"0"

    run(clients, first_at_once(len(before) + len(REQUEST) - 1))


def test_a_head_without_end_is_not_kept_behind_another_request_either() -> None:
    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        writer.write(REQUEST + REQUEST[:-2])
        assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"
        with contextlib.suppress(ConnectionError):
            for _ in range(64):
                writer.write(b"a: b\r\n" * (LARGEST_HEAD // 6))
                await writer.drain()
                await asyncio.sleep(0)
                if reader.at_eof():
                    return
            pytest.fail("all of it was taken")

    run(clients)


def test_who_speaks_grpc_to_the_wrong_port_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []

    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        reader, writer = await connect()
        said.extend(f"{host}:{port}" for host, port in [writer.get_extra_info("sockname")])
        said.append(f"HTTP port {writer.get_extra_info('peername')[1]}, where HTTP/1.1 is spoken")
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")

    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        run(clients)
    assert all(each in caplog.text for each in said)


def test_many_who_speak_no_http_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def clients(connect: Callable[[], Awaitable[Streams]]) -> None:
        for _ in range(20):
            reader, writer = await connect()
            writer.write(b"no HTTP\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
            writer.close()

    with caplog.at_level(logging.WARNING, "uvicorn.error"):
        run(clients)
    assert len(caplog.records) == 1
