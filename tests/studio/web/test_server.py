"""The studio as a program: one a folder, and an end that waits for no page that is open."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving.certificates import Authority
from tests.studio.web.whole_page import picture
from tests.waiting import eventually, eventually_alive

_PAGE = re.compile(r"page: (https?://\S+/)")
_READY = re.compile(r"ready: (http://\S+/)")


@contextmanager
def studio(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A studio in a process of its own, and the file that it writes to."""
    log = folder.with_suffix(".log")
    command = [sys.executable, "-m", "launch.cli", "studio", "--port", "0", "--folder", str(folder), *options]
    environment = {name: value for name, value in os.environ.items() if name != "PUBSUB_EMULATOR_HOST"}
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as process:
        try:
            yield process, log
        finally:
            process.kill()


def said(process: subprocess.Popen[bytes], log: Path, line: re.Pattern[str], seconds: float = 60.0) -> str:
    """What a line of it says."""
    found = eventually_alive(process, log.read_text, lambda: line.search(log.read_text()), line.pattern, seconds)
    assert found is not None
    return found[1]


def test_the_page_answers_before_there_is_a_model_and_ends_at_once_while_it_listens(tmp_path: Path) -> None:
    with studio(tmp_path / "studio") as (process, log):
        url = said(process, log, _PAGE)
        with httpx.Client(base_url=url, timeout=30) as client:
            assert "<canvas" in client.get("/").text
            assert client.get("/health").json() == {"status": "ok"}
            state = client.get("/api/state").json()
            assert state["live"] is None and state["stream"]["state"] == "starting"
            with client.stream("GET", "/api/events") as events:
                next(events.iter_lines())
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
        assert "Traceback" not in log.read_text() and "ending" in log.read_text()


def test_a_second_one_in_the_folder_is_refused_in_a_line(tmp_path: Path) -> None:
    with studio(tmp_path / "studio") as (process, log):
        said(process, log, _PAGE)
        command = [sys.executable, "-m", "launch.cli", "studio", "--port", "0", "--folder", str(tmp_path / "studio")]
        second = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert second.returncode == 2
        assert "another studio runs in" in second.stderr and "Traceback" not in second.stderr
        assert process.poll() is None


@pytest.mark.timeout(600)
def test_a_drawing_is_answered_by_the_running_stream_and_a_restart_knows_its_browser(tmp_path: Path) -> None:
    folder = tmp_path / "studio"
    with studio(folder) as (process, log):
        url = said(process, log, _READY, 240)
        with httpx.Client(base_url=url, timeout=60, headers={"sec-fetch-site": "same-origin"}) as browser:
            browser.get("/")
            browser.headers["x-csrf-token"] = browser.get("/api/state").json()["csrf"]
            drawing = browser.post("/api/drawings", content=picture()).json()["drawing"]
            told = browser.get(f"/api/drawings/{drawing}/answer?wait=30").json()
            assert told["state"] == "answered" and told["label"].isdigit() and len(told["scores"]) > 1
            state = browser.get("/api/state").json()
            assert state["live"]["model_id"] == told["model_id"] and state["results"] >= 1
            put = browser.put(f"/api/drawings/{drawing}/correction", json={"label": 5})
            assert put.json()["corrections"]["total"] == 1
            eventually(lambda: browser.get("/api/models").json()["models"][0]["accuracy"], "a reading")
            cookies = dict(browser.cookies)
        port = httpx.URL(url).port
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "Traceback" not in log.read_text()
    with studio(folder, "--port", str(port)) as (process, log):
        url = said(process, log, _PAGE)
        with httpx.Client(base_url=url, timeout=30, cookies=cookies) as browser:
            assert browser.get("/api/corrections").json()["corrections"][0]["mine"] is True
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_with_tls_and_a_token_nobody_comes_in_without(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.pair("page", "127.0.0.1")
    tokens = tmp_path / "tokens"
    tokens.write_text("a-token-that-is-long\n")
    options = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key), "--token-file", str(tokens))
    with studio(tmp_path / "studio", *options) as (process, log):
        url = said(process, log, _PAGE)
        trusted = ssl.create_default_context(cafile=authority.certificate)
        headers = {"sec-fetch-site": "same-origin"}
        with httpx.Client(base_url=url, timeout=30, verify=trusted, headers=headers) as browser:
            assert url.startswith("https://")
            assert browser.get("/").headers["location"] == "/login"
            assert browser.get("/api/state").status_code == 401
            answer = browser.post("/login", data={"token": "a-token-that-is-long"})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-studio-") and cookie.endswith("; Secure")
            assert browser.get("/api/state").json()["csrf"]
