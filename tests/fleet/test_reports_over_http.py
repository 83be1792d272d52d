"""What devices report over HTTP holds up nobody else, and is told of where it cannot be kept."""

from __future__ import annotations

import select
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from models.components.component import TARGETS
from models.components.twin import Reported
from tests.fleet.running_api import Api


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Of one database that a test can lock."""
    return f"sqlite:///{tmp_path}/fleet.db"


def test_reports_that_do_not_end_hold_up_no_other_device(api: Api) -> None:
    headers, others = api.device(), api.device("robot-2")
    head = "PATCH /twins/robot-1/properties/reported HTTP/1.1\r\nHost: x\r\nContent-Length: 65500\r\n"
    request = f"{head}Authorization: {headers['authorization']}\r\n\r\n".encode() + b" " * 1000
    with ExitStack() as held:
        slow = [
            held.enter_context(socket.create_connection(("127.0.0.1", urlsplit(api.url).port), timeout=30))
            for _ in range(3)
        ]
        for each in slow:
            each.sendall(request)
        # Of the three one is refused, whichever comes last.
        answered, _, _ = select.select(slow, [], [], 30)
        assert b" 429 " in answered[0].recv(4096).split(b"\r\n")[0]
        report = Reported((), "0.2.0", TARGETS[0]).to_json()
        path = "/twins/robot-2/properties/reported"
        assert api.http.patch(path, headers=others, json=report).status_code == 204


def test_reports_that_wait_for_a_writer_hold_up_no_poll(api: Api, tmp_path: Path) -> None:
    devices = {f"robot-{number}": api.device(f"robot-{number}") for number in range(8)}
    etags = {name: api.http.get(f"/twins/{name}", headers=of).headers["etag"] for name, of in devices.items()}
    report = Reported((), "0.2.0", TARGETS[0]).to_json()
    with closing(sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)) as writer, ThreadPoolExecutor(8) as many:
        writer.execute("BEGIN IMMEDIATE")
        paths = [(f"{api.url}/twins/{name}/properties/reported", of) for name, of in devices.items()]
        reports = [many.submit(httpx.patch, path, headers=of, json=report, timeout=60) for path, of in paths]
        for name, of in devices.items():
            assert api.http.get(f"/twins/{name}", headers=of | {"if-none-match": etags[name]}).status_code == 304
        assert not any(each.done() for each in reports)
        writer.execute("ROLLBACK")
        assert [each.result().status_code for each in reports] == [204] * 8


def test_reports_that_cannot_be_kept_are_told_once(api: Api, tmp_path: Path) -> None:
    headers, report = api.device(), Reported((), "0.2.0", TARGETS[0]).to_json()
    path = "/twins/robot-1/properties/reported"
    with closing(sqlite3.connect(tmp_path / "fleet.db", isolation_level=None)) as database:
        database.execute("CREATE TRIGGER full BEFORE UPDATE ON devices BEGIN SELECT RAISE(ABORT, 'it is full'); END")
        for _ in range(3):
            assert api.http.patch(path, headers=headers, json=report).status_code == 503
        [line] = api.said
        assert "what devices report is not kept" in line and "it is full" in line
        database.execute("DROP TRIGGER full")
    assert api.http.patch(path, headers=headers, json=report).status_code == 204
    assert api.said[1:] == ["what devices report is kept again"]
