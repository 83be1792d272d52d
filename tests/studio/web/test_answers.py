"""Every answer has its headers, every refusal its word, and nothing of the inside goes out."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from tests.studio.web.running_web import Web, running_web
from tests.studio.web.small_parts import LARGEST, small_parts
from tests.waiting import eventually


@pytest.mark.parametrize(
    "path", ["/", "/page/main.js", "/api/state", "/api/nothing", "/nothing", "/api/broken", "/login"]
)
def test_every_answer_has_its_headers(web: Web, path: str) -> None:
    headers = web.http.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "require-trusted-types-for 'script'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers


def test_what_a_refused_client_gets_has_them_too(web: Web) -> None:
    answer = web.http.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 403 and "content-security-policy" in answer.headers


def test_answers_are_kept_by_nobody_but_files_of_the_page(web: Web) -> None:
    assert web.http.get("/api/state").headers["cache-control"] == "no-store"
    first = web.http.get("/page/main.js")
    assert first.headers["cache-control"] == "no-cache" and first.headers["content-type"].startswith("text/javascript")
    again = web.http.get("/page/main.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content


def test_a_file_is_packed_for_who_unpacks_it(web: Web) -> None:
    packed = web.http.get("/page/main.js")
    plain = web.http.get("/page/main.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


@pytest.mark.parametrize(
    "path", ["../conftest.py", "%2e%2e/conftest.py", "..%2fconftest.py", "/etc/passwd", "", "main.js/", "a%00b"]
)
def test_no_path_leads_out_of_the_page(web: Web, path: str) -> None:
    answer = web.http.get(f"/page/{path}")
    assert answer.status_code == 404 and answer.json()["error"]["word"] == "not_found"


def test_what_nobody_foresaw_is_a_line_here_and_a_word_there(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    answer = web.http.get("/api/broken")
    assert answer.status_code == 500 and answer.json()["error"]["word"] == "internal"
    assert "secret" not in answer.text
    # It is told once the answer is out.
    [record] = eventually(lambda: list(caplog.records), "the line")
    assert "RuntimeError" in record.getMessage() and "\n" not in record.getMessage() and not record.exc_info


def test_a_body_that_is_too_large_is_refused(web: Web) -> None:
    answer = web.browser().post("/api/told", content=b"[" * (LARGEST + 1))
    assert answer.status_code == 413 and answer.json()["error"]["word"] == "too_large"


@pytest.mark.parametrize("body", [b"", b"[1]", b"7", b"{", b"\xff", b"[" * 900, b'{"a": NaN}'])
def test_a_body_that_is_no_object_is_refused(web: Web, body: bytes) -> None:
    answer = web.browser().post("/api/told", content=body)
    assert answer.status_code == 400 and answer.json()["error"]["word"] == "bad_request"


def test_a_body_that_does_not_come_is_not_waited_for(page: Path) -> None:
    with running_web(small_parts(page, seconds=0.2)) as web:
        browser = web.browser()
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        head = (
            f"POST /api/told HTTP/1.1\r\nhost: 127.0.0.1:{web.port}\r\ncookie: {cookie}\r\n"
            f"x-csrf-token: {browser.headers['x-csrf-token']}\r\ncontent-length: 100\r\n\r\n{{"
        )
        with socket.create_connection(("127.0.0.1", web.port), 30) as connection:
            connection.sendall(head.encode())
            answer = b""
            while part := connection.recv(4096):
                answer += part
    assert answer.startswith(b"HTTP/1.1 408") and b'"too_slow"' in answer


def test_two_names_at_once_are_none(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), 30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 40")


def test_what_somebody_wrote_comes_back_as_json_alone(web: Web) -> None:
    markup = "<script>alert(1)</script>"
    answer = web.browser().post("/api/told", json={"name": markup})
    assert answer.headers["content-type"] == "application/json" and answer.json()["given"]["name"] == markup
    refused = web.http.get(f"/api/{markup}")
    assert refused.headers["content-type"] == "application/json"
