"""Connections that speak something else, or nothing, or slowly, cost little and disturb nobody."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import struct
from collections.abc import Iterator, Sequence

import psutil
import pytest

from tests.serving.memory import memory_within
from tests.serving.over_grpc.conftest import Served
from tests.serving.over_grpc.frames import PREFACE, Connection
from tests.serving.over_grpc.good_neighbour import good_neighbour
from tests.serving.over_grpc.speaking import INFER, PREDICT
from tests.waiting import eventually

IDLE = 1500
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
HEAD_OF_60_MIB = b"\x00" + struct.pack(">I", 60 << 20)
CHANCE = random.Random(1)
GARBAGE = {
    "chance": CHANCE.randbytes(1 << 16),
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CHANCE.randbytes(507),
    "zeros": bytes(1 << 16),
    "frames of chance": PREFACE + CHANCE.randbytes(1 << 14),
    "a frame larger than any may be": PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(1 << 14),
    "headers without end": PREFACE
    + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\x00\x40\x00\x01\x00\x00\x00\x00\x01" * 9,
}


@contextlib.contextmanager
def many_open_files() -> Iterator[None]:
    """As many as the system allows, for the tests' own process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@contextlib.contextmanager
def connections(addresses: Sequence[str]) -> Iterator[list[socket.socket]]:
    """An open connection to each address."""
    with many_open_files(), contextlib.ExitStack() as opened:
        found = []
        for address in addresses:
            host, _, port = address.rpartition(":")
            found.append(opened.enter_context(socket.create_connection((host, int(port)))))
        yield found


def open_connections(pid: int) -> int:
    return sum(each.status == psutil.CONN_ESTABLISHED for each in psutil.Process(pid).net_connections("tcp"))


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_hung_up_on(served: Served, what: str) -> None:
    with good_neighbour(served.address, served.label), connections([served.address] * 20) as opened:
        for each in opened:
            with contextlib.suppress(OSError):  # the server may have heard enough
                each.sendall(GARBAGE[what])
                each.shutdown(socket.SHUT_WR)
        for each in opened:
            with contextlib.suppress(OSError):
                while each.recv(1 << 16):
                    pass


def test_more_idle_connections_than_the_usual_limit_of_files(served: Served) -> None:
    before = open_connections(served.pid)
    with memory_within(served.pid, 256 << 20):
        with connections([served.address, served.server.http] * (IDLE // 2)) as idle:
            eventually(lambda: open_connections(served.pid) >= before + IDLE, "all connections")
            for each in idle[::4]:
                each.sendall(PREFACE)
            with good_neighbour(served.address, served.label):
                pass
        eventually(lambda: open_connections(served.pid) <= before + 5, "the end of all connections")


def test_calls_that_never_send_their_message_lock_nobody_out(served: Served) -> None:
    with contextlib.ExitStack() as opened:
        for method in (PREDICT, INFER, HEALTH_WATCH, REFLECTION) * 3:
            connection = opened.enter_context(contextlib.closing(Connection(served.address)))
            for _ in range(90):
                connection.begin(method)
        with good_neighbour(served.address, served.label):
            pass


def test_of_many_messages_that_come_slowly_few_may_go_on(served: Served) -> None:
    """Each could become 64 MiB: 16 of them a gigabyte, in which the server lets them be."""
    with good_neighbour(served.address, served.label), contextlib.closing(Connection(served.address)) as slow:
        streams = [slow.begin(PREDICT) for _ in range(40)]
        for stream in streams:
            slow.send(stream, HEAD_OF_60_MIB + bytes(1000))

        def ended() -> bool:
            slow.listen(0.1)
            return len(slow.ended) >= len(streams) - 16

        eventually(ended, "the end of those that are too many")
        slow.listen(0.5)
        assert len(slow.ended) == len(streams) - 16


def test_who_never_reads_what_is_told_holds_nobody_up(served: Served) -> None:
    with contextlib.ExitStack() as opened:
        for _ in range(3):
            deaf = opened.enter_context(contextlib.closing(Connection(served.address, window=0)))
            for _ in range(30):
                deaf.send(deaf.begin(HEALTH_WATCH), bytes(5))
                deaf.send(deaf.begin("/inference.GRPCInferenceService/ServerReady"), bytes(5))
        with good_neighbour(served.address, served.label):
            pass
