"""`hotswap studio` begins or says in one line why not, tells when it is ready, and ends by Ctrl-C as if nothing was."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

from benchmarks.studio.running import RunningStudio
from launch.pubsub_emulator import PubSubEmulator
from studio.alone import alone
from tests.launch.commands.hotswap_command import Command, error_line
from tests.model_files import tiny_classifier
from tests.waiting import eventually

TOKEN = "0123456789abcdef0123456789abcdef"


def refused(hotswap: Command, *arguments: str) -> str:
    outcome = hotswap("studio", "--port", "0", *arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    return error_line(outcome)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a studio that has a model already."""
    (tmp_path / "studio/models").mkdir(parents=True)
    tiny_classifier(tmp_path / "studio/models/only.onnx", favours=2)
    return tmp_path / "studio"


def test_it_begins_tells_when_it_is_ready_and_ends(folder: Path) -> None:
    with RunningStudio(folder) as studio:
        studio.start()
        with urllib.request.urlopen(studio.address + "/api/state") as answer:
            state = json.load(answer)
        children = studio.children()
        studio.process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(children, 60)
        code = studio.end()

    assert f"ready: {studio.address}/\n" in studio.log
    assert state["stream"]["state"] == "running"
    assert state["live"]["model_id"].startswith(str(folder / "models/only.onnx"))
    assert code == 0
    assert "Traceback" not in studio.log
    assert children and not alive


@pytest.mark.parametrize("until", ["page", "ready"])
def test_asked_twice_it_ends_at_once_without_a_traceback(folder: Path, until: str) -> None:
    with RunningStudio(folder) as studio:
        studio.start(until)
        for _ in range(2):
            studio.process.send_signal(signal.SIGINT)
            eventually(lambda: "ending" in studio.log, "it to begin to end")
        assert studio.end() == 0

    for word in ("Traceback", "never retrieved", "CancelledError", "cannot be read"):
        assert word not in studio.log


def test_it_uses_the_emulator_that_runs_and_leaves_it_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PubSubEmulator() as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        with RunningStudio(folder) as studio:
            studio.start()
            [topic] = re.findall(rf"PUBSUB_EMULATOR_HOST={emulator.address} topic=(\S+)$", studio.log, re.M)
            assert studio.end() == 0

        emulator.publish(topic, b"still there")


@pytest.mark.parametrize("absent", ["kedro", "sklearn", "sse_starlette"])
def test_without_the_extra_it_says_what_to_install(
    hotswap: Command, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)

    assert 'pip install "hotswap-inference[studio]"' in refused(hotswap)


def test_others_are_let_in_by_tokens_and_tls_alone(hotswap: Command, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN)

    line = refused(hotswap, "--host", "0.0.0.0")
    assert "--host 0.0.0.0 lets others in" in line and "--token-file" in line
    assert "--tls-client-ca" not in line
    assert "--tls-cert" in refused(hotswap, "--host", "0.0.0.0", "--token-file", str(tokens))
    assert "holds no token" in refused(hotswap, "--token-file", os.devnull)
    assert "go together" in refused(hotswap, "--tls-cert", str(tokens))


def test_a_port_that_is_taken_is_one_line(hotswap: Command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = refused(hotswap, "--folder", str(tmp_path / "s"), "--port", str(taken.getsockname()[1]))

    assert "choose another port" in line and "images:" not in line


def test_a_folder_in_which_a_studio_runs_is_one_line(hotswap: Command, tmp_path: Path) -> None:
    with alone(tmp_path / "studio.lock"):
        assert "another studio runs in" in refused(hotswap, "--folder", str(tmp_path))


@pytest.mark.parametrize("database", ["mysql://host/name", "", "postgresql://user:secret@host:port/name"])
def test_a_database_that_can_be_none_is_one_line(hotswap: Command, tmp_path: Path, database: str) -> None:
    line = refused(hotswap, "--folder", str(tmp_path), "--database", database)

    assert "--database" in line
    assert "secret" not in line


def test_a_folder_that_cannot_be_made_is_one_line(hotswap: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    for option, path in (("--folder", "file"), ("--folder", "file/studio"), ("--models", "file")):
        line = refused(hotswap, "--folder", str(tmp_path / "studio"), option, str(tmp_path / path))
        assert f"{tmp_path}/file is a file; name a folder with {option}" in line


@pytest.mark.parametrize("option", ["--folder", "--models", "--token-file", "--tls-cert"])
def test_an_option_without_a_name_is_one_line_and_not_the_current_directory(
    hotswap: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert option in (line := refused(hotswap, option, "")) and "empty" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("models", ["a*", "a,b", ".", "drawings", "uploads/models"])
def test_models_lie_in_a_folder_of_their_own_with_a_plain_name(hotswap: Command, tmp_path: Path, models: str) -> None:
    line = refused(hotswap, "--folder", str(tmp_path), "--models", str(tmp_path / models))
    assert "name another" in line and "--models" in line


@pytest.mark.parametrize(
    "words",
    [("--retrain-after", "0"), ("--port", "-1"), ("--colour", "1"), ("--trial", "now"), ("--trial-max-failures", "2")],
)
def test_an_option_that_makes_no_sense_is_one_line(hotswap: Command, words: tuple[str, str]) -> None:
    refused(hotswap, *words)
