"""What the HTTP side takes in, from whom, and for how long."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from serving.access import Access
from tests.end_to_end.telling_models import drop
from tests.serving.over_http.asking import INFER, PREDICT, b64, good, images_input, png, refused
from tests.serving.over_http.conftest import Served
from tests.serving.running_core import RunningCore, http_server, running_core
from tests.waiting import eventually

BODY = orjson.dumps({"instances": [b64(png())]})
TOKEN = "a token of more than sixteen letters"


def connect(url: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def begun(path: str, length: int, *headers: str) -> bytes:
    """The head of a request whose body is to come."""
    lines = (f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {length}", *headers, "", "")
    return "\r\n".join(lines).encode()


def raw_deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(data) + packing.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate), ("identity", bytes)],
)
def test_a_packed_body_is_unpacked(served: Served, encoding: str, pack: Any) -> None:
    assert good(served.http.post(PREDICT, content=pack(BODY), headers={"Content-Encoding": encoding}))


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(bytes(65 << 20)), 413),
        ("deflate", zlib.compress(bytes(65 << 20)), 413),
        ("deflate", raw_deflate(bytes(65 << 20)), 413),
        ("gzip", gzip.compress(BODY)[:-9], 400),
        ("gzip", gzip.compress(BODY) + b"more", 400),
        ("gzip", BODY, 400),
        ("deflate", b"", 400),
        ("br", BODY, 400),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 400),
    ],
)
def test_a_packed_body_that_is_none_or_a_bomb_is_refused(
    served: Served, encoding: str, body: bytes, status: int
) -> None:
    refused(served.http.post(PREDICT, content=body, headers={"Content-Encoding": encoding}), status)
    assert good(served.http.post(PREDICT, content=BODY))


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(0, size, 1 << 16):
        yield bytes(1 << 16)


def test_a_body_that_is_too_large_is_refused_however_it_comes(served: Served) -> None:
    with http_server(served.running, max_body=1 << 20) as url:
        assert "1,048,576 bytes" in refused(httpx.post(url + PREDICT, content=bytes(2 << 20)), 413)
        refused(httpx.post(url + PREDICT, content=pieces(8 << 20)), 413)  # in chunks, without a length
        with connect(url) as client:
            client.sendall(begun(PREDICT, 10**15, "Expect: 100-continue"))
            assert client.recv(12) == b"HTTP/1.1 413"
        assert good(httpx.post(url + PREDICT, content=BODY))


def test_a_body_that_does_not_come_is_not_waited_for(served: Served) -> None:
    with http_server(served.running, body_seconds=0.2) as url, connect(url) as client:
        client.sendall(begun(PREDICT, 100) + b"{")
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"within 0.2 s" in answer


def test_bodies_have_room_together_and_give_it_back(served: Served) -> None:
    with http_server(served.running, max_body=1 << 20, all_bodies=1 << 20) as url:
        with connect(url) as client:
            client.sendall(begun(PREDICT, 1 << 20) + bytes((1 << 20) - 100))
            eventually(lambda: httpx.post(url + PREDICT, content=BODY).status_code == 429, "the room to be full")
            assert "try again" in refused(httpx.post(url + PREDICT, content=BODY), 429)
        eventually(lambda: httpx.post(url + PREDICT, content=BODY).status_code == 200, "room again")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"instances": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"instances": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"instances": [NaN]}',
        b'{"instances": [1e999]}',
        b'{"instances": [' + b"9" * 10_000 + b"]}",
        b'{"instances": ["\xff\xfe"]}',
        b'{"instances": ["\\ud800"]}',
        b"\xef\xbb\xbf{}",
        b"\x00" * 1000,
        b'{"instances": [' + b"0," * 9_000_000 + b"0]}",
        b'{"instances": [' + b"{}," * 100_000 + b"0]}",
    ],
    ids=range(14),
)
@pytest.mark.parametrize("path", [PREDICT, INFER])
def test_what_is_no_request_is_refused_in_one_line(served: Served, path: str, body: bytes) -> None:
    refused(served.http.post(path, content=body))


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningCore, str]]:
    """A server whose requests wait a minute for others, and its address."""
    folder: Path = tmp_path_factory.mktemp("waiting")
    (folder / "models").mkdir()
    drop(folder / "models", "first")
    with running_core(folder / "models", folder / "cache", batch_wait=60.0) as running, http_server(running) as url:
        running.await_model()
        yield running, url


def test_a_client_that_hangs_up_is_worked_for_no_more(waiting: tuple[RunningCore, str]) -> None:
    running, url = waiting
    with connect(url) as client:
        client.sendall(begun(PREDICT, len(BODY)) + BODY)
        eventually(lambda: running.core.under_way == 1, "the request to be under way")
    eventually(lambda: running.core.under_way == 0, "the request to be given up")


def test_a_deadline_is_kept(waiting: tuple[RunningCore, str]) -> None:
    running, url = waiting
    hurried = httpx.post(url + PREDICT, content=BODY, headers={"X-Request-Timeout": "0.2"})
    assert "no answer after" in refused(hurried, 504)
    body = {"inputs": [images_input(png())], "parameters": {"timeout": 200_000}}
    assert "no answer after" in refused(httpx.post(url + INFER, json=body), 504)
    assert running.core.under_way == 0


@pytest.mark.parametrize("seconds", ["", "soon", "0", "-1", "nan", "inf"])
def test_a_deadline_that_is_none_is_refused(served: Served, seconds: str) -> None:
    assert "seconds" in refused(served.http.post(PREDICT, content=BODY, headers={"X-Request-Timeout": seconds}))


def test_who_bears_no_token_is_told_nothing_but_health(served: Served) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with http_server(served.running, Access(tokens=(TOKEN,))) as url:
        for path in ("/v1/models/default", "/v2", "/v2/models/default", "/metrics", "/openapi.json"):
            assert "token" in refused(httpx.get(url + path), 401)
            assert httpx.get(url + path, headers=bearer).status_code == 200
        for path in (PREDICT, INFER):
            refused(httpx.post(url + path, content=BODY), 401)
            refused(httpx.post(url + path, content=BODY, headers={"Authorization": "Bearer another"}), 401)
        assert good(httpx.post(url + PREDICT, content=BODY, headers=bearer))
        assert good(httpx.get(f"{url}/v2/health/live"))
        assert good(httpx.get(f"{url}/v2/health/ready"))


def test_metrics_count_what_was_asked_over_http(served: Served) -> None:
    assert good(served.http.post(PREDICT, content=BODY))
    response = served.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f'hotswap_request_seconds_count{{model_id="{served.model_id}",protocol="tensorflow_rest"}}' in response.text


def test_what_there_is_not_is_said_in_json(served: Served) -> None:
    assert "/openapi.json" in refused(served.http.get("/v3"), 404)
    assert "/openapi.json" in refused(served.http.post("/v1/models/default:classify"), 405)
    for path in (INFER, PREDICT, f"/v1/models/default/versions/{served.version}:predict"):
        response = served.http.get(path)
        assert f"there is no GET '{path}'" in refused(response, 405)
        assert response.headers["allow"] == "POST"
    refused(served.http.get("/%ff%00%0a"), 404)
