"""A device asks its server and nobody else; whatever that answers ends in a twin, or in one line that helps."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from edge import http_twin
from edge.connections import AddressRefused
from edge.http_twin import HttpTwin
from edge.twin_source import TwinUnavailable
from models.components.twin import Reported
from tests.component_files import component_of
from tests.edge.fleet_server import DEVICE, TOKEN, FleetServer, behind_tls
from tests.serving.certificates import Authority

Ask = Callable[[HttpTwin], object]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    return path


@pytest.fixture
def server() -> Iterator[FleetServer]:
    with FleetServer() as server:
        yield server


def unavailable(twin: HttpTwin) -> TwinUnavailable:
    with closing(twin), pytest.raises(TwinUnavailable) as error:
        twin.read(None)
    assert str(error.value).isprintable()
    return error.value


def test_a_twin_is_read_once_and_then_only_when_it_changes(server: FleetServer, token: Path, tmp_path: Path) -> None:
    archive = component_of(tmp_path)
    server.desire(archive)
    with closing(HttpTwin(server.url, DEVICE, token)) as source:
        twin = source.read(None)
        assert twin is not None and twin.models[0].name == "animals"
        assert source.read(twin.etag) is None
        server.desire(archive)
        assert source.read(twin.etag) is not None

    assert server.answers == {"GET 200": 2, "GET 304": 1}


def test_what_the_device_does_is_told(server: FleetServer, token: Path) -> None:
    with closing(HttpTwin(server.url, DEVICE, token)) as source:
        source.report(Reported(agent="1"))

    assert server.reported == [Reported(agent="1")]


def test_a_connection_that_the_server_closed_meanwhile_is_no_trouble(server: FleetServer, token: Path) -> None:
    with closing(HttpTwin(server.url, DEVICE, token)) as source:
        source.read(None)
        server.end_connections()
        assert source.read(None) is not None


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that says this to whoever asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, suppress(OSError):  # it is hung up on
                    connection.recv(1 << 16)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def says(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("answer", "word", "text"),
    [
        (b"", "unreachable", "does not answer"),
        (b"SSH-2.0-OpenSSH\r\n", "unreachable", "does not answer"),
        (says("401 Unauthorized", b'{"error": "no"}'), "denied", "hotswap fleet add"),
        (says("302 Found", b"", "Location: http://127.0.0.1:1/"), "malformed", "leads elsewhere"),
        (says("404 Not Found", b"<html>"), "malformed", "no fleet's server"),
        (says("400 Bad Request", b'{"error": "a\\u001b[31m line"}'), "malformed", "a?[31m line"),
        (says("503 Busy", b'{"error": ["nested"]}'), "unreachable", "it may pass"),
        (says("429 Later"), "unreachable", "it may pass"),
        (says("304 Not Modified"), "malformed", "304"),
        (says("200 OK", b"{}"), "malformed", "no device twin"),
        (says("200 OK", b"["), "malformed", "no device twin"),
        (says("200 OK", b"[" * 100_000), "malformed", "no device twin"),
        (says("200 OK", b" " * ((1 << 20) + 1)), "malformed", "more than"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000, "unreachable", "does not answer"),
    ],
)
def test_whatever_answers_has_a_word_and_one_line(token: Path, answer: bytes, word: str, text: str) -> None:
    with answering(answer) as url:
        error = unavailable(HttpTwin(url, DEVICE, token))

    assert error.word == word
    assert text in str(error)


def test_the_twin_of_another_device_is_none(server: FleetServer, token: Path) -> None:
    twin = server.twin().encode().replace(DEVICE.encode(), b"robot-8")
    with answering(says("200 OK", twin)) as url:
        assert unavailable(HttpTwin(url, DEVICE, token)).word == "malformed"


DRIPPING = ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n"]


@pytest.mark.parametrize("head", DRIPPING, ids=["in the head", "to the end", "as of old"])
def test_whoever_sends_a_byte_now_and_then_is_not_waited_for(
    token: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    monkeypatch.setattr(http_twin, "LONGEST_SECONDS", 1.0)
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.sendall(head.encode())
                while not is_over.wait(0.05):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        error = unavailable(HttpTwin(f"http://127.0.0.1:{listening.getsockname()[1]}", DEVICE, token))
        is_over.set()
        dripping.join()

    assert error.word == "unreachable"
    assert "it has not come in 1 seconds" in str(error)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"-1\r\n" + bytes(1 << 20),
        CHUNKED + b"-5\r\n" + bytes(1 << 20),
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"A: " + b"b" * 60_000 + b"\r\n" for _ in range(90)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    ],
    ids=["all that comes", "less than nothing", "a head without an end", "half of it"],
)
def test_what_is_no_whole_answer_is_none_and_little_of_it_is_kept(token: Path, answer: bytes) -> None:
    with answering(answer) as url:
        assert unavailable(HttpTwin(url, DEVICE, token)).word == "unreachable"


def test_an_etag_that_no_header_can_carry_is_no_twins(server: FleetServer, token: Path) -> None:
    twin = json.loads(server.twin().encode())
    with answering(says("200 OK", json.dumps(twin | {"etag": "\u20ac"}).encode())) as url:
        assert unavailable(HttpTwin(url, DEVICE, token)).word == "malformed"


def test_a_pipe_in_place_of_the_token_is_not_waited_for(server: FleetServer, token: Path) -> None:
    token.unlink()
    os.mkfifo(token)

    assert unavailable(HttpTwin(server.url, DEVICE, token)).word == "denied"


def test_a_name_that_no_host_can_have_is_a_server_that_does_not_answer(token: Path) -> None:
    assert unavailable(HttpTwin(f"https://{'a' * 70}.example", DEVICE, token)).word == "unreachable"


@pytest.mark.parametrize("content", [None, b"", b"two words", b"a\r\nHost: evil", b"\xff\xfe"])
def test_what_is_no_token_is_never_sent(server: FleetServer, token: Path, content: bytes | None) -> None:
    token.unlink()
    if content is not None:
        token.write_bytes(content)

    error = unavailable(HttpTwin(server.url, DEVICE, token))
    assert error.word == "denied"
    assert str(token) in str(error)
    assert not server.answers


@pytest.mark.parametrize(
    "address", ["fleet", "ftp://fleet", "http://fleet.example", "https://a:b@fleet", "https://f?x=1", "https://f:99999"]
)
def test_no_token_is_sent_to_what_is_no_address_or_in_the_clear(token: Path, address: str) -> None:
    with pytest.raises(AddressRefused):
        HttpTwin(address, DEVICE, token)


def test_it_may_be_sent_in_the_clear_where_that_is_asked(token: Path) -> None:
    HttpTwin("http://fleet.example", DEVICE, token, insecure=True).close()


def test_a_server_is_known_by_its_authority(token: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with behind_tls(authority.pair("server", "127.0.0.1")) as server:
        with closing(HttpTwin(server.url, DEVICE, token, authority.certificate)) as source:
            assert source.read(None) is not None
        assert "not trusted" in str(unavailable(HttpTwin(server.url, DEVICE, token)))
    assert server.answers == {"GET 200": 1}


@pytest.mark.parametrize("days_ago", [-20, 20])
def test_a_clock_that_is_wrong_is_named(token: Path, tmp_path: Path, days_ago: int) -> None:
    authority = Authority(tmp_path, days_ago=days_ago)
    with behind_tls(authority.pair("server", "127.0.0.1")) as server:
        error = unavailable(HttpTwin(server.url, DEVICE, token, authority.certificate))

    assert error.word == "unreachable"
    assert "set the clock" in str(error)
