"""An export comes whole or is refused in a word; who takes nothing of it holds up nobody."""

from __future__ import annotations

import io
import shutil
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.studio.web.test_corrections import corrected
from tests.studio.web.whole_page import WholePage, whole_page
from tests.waiting import eventually


def cookie_of(browser: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def asked_for(whole: WholePage, browser: httpx.Client) -> socket.socket:
    """Somebody who asks for an export, and takes nothing."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    deaf.connect(("127.0.0.1", whole.web.port))
    request = f"GET /api/corrections.zip HTTP/1.1\r\nhost: localhost\r\ncookie: {cookie_of(browser)}\r\n\r\n"
    deaf.sendall(request.encode())
    return deaf


def test_of_many_at_once_each_is_whole_or_refused_before_it_begins(whole: WholePage) -> None:
    browsers = [whole.web.browser() for _ in range(6)]
    corrected(browsers[0], 3)

    def ask(number: int) -> int:
        answer = browsers[number % 6].get("/api/corrections.zip")
        if answer.status_code == 200:
            assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
        else:
            assert answer.json()["error"]["word"] == "too_often"
        return answer.status_code

    with ThreadPoolExecutor(12) as threads:
        assert set(threads.map(ask, range(60))) <= {200, 429}
    assert eventually(lambda: ask(0) == 200, "room again")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[WholePage]:
    """A studio on whose disk no room is left for exports."""
    with whole_page(tmp_path, spare=2 * shutil.disk_usage(tmp_path).total) as running:
        yield running


@pytest.fixture
def small(tmp_path: Path) -> Iterator[WholePage]:
    """A studio that exports little."""
    with whole_page(tmp_path, largest=100) as running:
        yield running


@pytest.mark.parametrize("kind", ["zip", "parquet"])
def test_a_full_disk_is_told_before_the_first_byte(full: WholePage, kind: str) -> None:
    corrected(full.web.browser(), 3)
    answer = full.web.browser().get(f"/api/corrections.{kind}")
    assert answer.status_code == 507 and answer.json()["error"]["word"] == "disk_full"


@pytest.mark.parametrize("kind", ["zip", "parquet"])
def test_one_that_is_too_large_is_told_before_the_first_byte(small: WholePage, kind: str) -> None:
    corrected(small.web.browser(), 3)
    answer = small.web.browser().get(f"/api/corrections.{kind}")
    assert answer.status_code == 413 and "hotswap corrections" in answer.json()["error"]["line"]


def test_one_browser_leaves_room_for_others(whole: WholePage) -> None:
    browser = whole.web.browser()
    corrected(browser, 3)
    with ExitStack() as ending:
        for _ in range(20):
            ending.enter_context(asked_for(whole, browser))
        assert eventually(lambda: whole.web.browser().get("/api/corrections.zip").status_code == 200, "another's")
