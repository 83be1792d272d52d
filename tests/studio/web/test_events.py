"""Pages hear what happens, as server-sent events."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx

from studio.web.listeners import DEAD_LETTER
from tests.studio.web.whole_page import WholePage
from tests.waiting import eventually


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_the_state_comes_at_once_and_then_what_happens(whole: WholePage) -> None:
    with whole.web.browser().stream("GET", "/api/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store" and "content-security-policy" in answer.headers
        heard = events(answer.iter_lines())
        name, state = next(heard)
        assert name == "state" and state["stream"]["state"] == "running" and "csrf" not in state
        whole.tell(DEAD_LETTER, {"id": "1", "image": "<script>\n\nevent: state"})
        while name == "state":
            name, record = next(heard)
        assert (name, record["id"]) == (DEAD_LETTER, "1")


def test_who_is_not_known_hears_nothing(whole: WholePage) -> None:
    answer = httpx.get(f"{whole.web.url}/api/events", timeout=60)
    assert answer.status_code == 403 and answer.json()["error"]["word"] == "forbidden"
    assert len(whole.listeners) == 0


def test_two_hundred_pages_hear_the_same(whole: WholePage) -> None:
    cookies = dict(whole.web.browser().cookies)

    def listen(number: int) -> str:
        with (
            httpx.Client(base_url=whole.web.url, timeout=60, cookies=cookies) as client,
            client.stream("GET", "/api/events") as answer,
        ):
            return next(record["id"] for name, record in events(answer.iter_lines()) if name == DEAD_LETTER)

    with ThreadPoolExecutor(200) as threads:
        heard = [threads.submit(listen, number) for number in range(200)]
        eventually(lambda: len(whole.listeners) == 200, "all pages")
        whole.tell(DEAD_LETTER, {"id": "to all"})
        assert {each.result() for each in heard} == {"to all"}
    eventually(lambda: len(whole.listeners) == 0, "all pages to be gone")


def test_one_that_reads_nothing_makes_nobody_wait(whole: WholePage) -> None:
    with ExitStack() as ending:
        deaf = ending.enter_context(socket.create_connection(("127.0.0.1", whole.web.port)))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        cookie = "; ".join(f"{name}={value}" for name, value in whole.web.browser().cookies.items())
        deaf.sendall(f"GET /api/events HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie}\r\n\r\n".encode())
        answer = ending.enter_context(whole.web.browser().stream("GET", "/api/events"))
        eventually(lambda: len(whole.listeners) == 2, "both pages")
        for _ in range(200):
            whole.tell(DEAD_LETTER, {"id": "many", "detail": "x" * 50_000})
        whole.tell(DEAD_LETTER, {"id": "last"})
        assert any(name == DEAD_LETTER and record["id"] == "last" for name, record in events(answer.iter_lines()))


def test_the_end_does_not_wait_for_pages_that_are_open(whole: WholePage) -> None:
    with whole.web.browser().stream("GET", "/api/events") as answer:
        lines = answer.iter_lines()
        next(lines)
        whole.web.loop.call_soon_threadsafe(whole.listeners.close)
        assert sum(1 for _ in lines) < 100
