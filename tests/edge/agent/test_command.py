"""What `hotswap-edge agent` promises to people, cron and service managers."""

from __future__ import annotations

import os
import signal
import sys
import threading
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from edge.cli import main
from tests.component_files import component_of
from tests.edge.agents import DeviceFiles, once, process
from tests.edge.fleet_server import FleetServer
from tests.waiting import eventually


def test_once_reaches_what_is_desired_and_ends_with_0(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.desire(component_of(tmp_path / "shelf"))

    assert main(device.command(server.url, "--once")) == 0
    assert device.version() == "1.0.0"
    assert main(device.command(server.url, "--once")) == 0
    assert "error" not in capsys.readouterr().err


def test_once_ends_with_1_and_one_line_where_all_is_not_as_desired(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.desire(component_of(tmp_path / "shelf", finite=False))

    for _ in range(2):
        assert main(device.command(server.url, "--once")) == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("error: animals 1.0.0 does not run: non_finite_output")


@pytest.mark.parametrize("trouble", ["gone", "another token"])
def test_once_says_why_nothing_was_heard(
    device: DeviceFiles, server: FleetServer, capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    server.down = trouble == "gone"
    server.token = "another"

    assert main(device.command(server.url, "--once")) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert ("does not answer" if trouble == "gone" else "hotswap fleet add") in said


def test_a_second_agent_of_one_folder_says_so_in_one_line(
    device: DeviceFiles, server: FleetServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with process("edge.cli", *device.command(server.url)) as first:
        eventually(lambda: server.answers["GET 200"], "the first one's poll")
        assert main(device.command(server.url, "--once")) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("error: another agent keeps ")
        first.terminate()
        first.communicate()
    assert main(device.command(server.url, "--once")) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_its_first_moments(
    device: DeviceFiles, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """While what it needs is still imported."""

    class Importing(MetaPathFinder):
        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == "edge.agent_command":
                os.kill(os.getpid(), number)

    for module in [each for each in sys.modules if each == "edge.agent_command"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Importing(), *sys.meta_path])

    assert main(device.command("http://127.0.0.1:1")) == 0
    assert main(device.command("http://127.0.0.1:1", "--once")) == 1
    assert capsys.readouterr().err.startswith("error: it was told to end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_it_waits(device: DeviceFiles, server: FleetServer, number: signal.Signals) -> None:
    with process("edge.cli", *device.command(server.url)) as agent:
        eventually(lambda: server.answers["GET 200"], "its first poll")
        agent.send_signal(number)
        _, errors = agent.communicate(timeout=60)

    assert agent.returncode == 0, errors
    assert "Traceback" not in errors


def test_a_signal_ends_it_in_the_middle_of_a_download_which_goes_on_later(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    archive = component_of(tmp_path / "shelf")
    server.desire(archive)
    middle, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        if server.sent >= archive.stat().st_size // 2:
            middle.set()
            go_on.wait(60)

    server.before_piece = hold
    with process("edge.cli", *device.command(server.url)) as agent:
        assert middle.wait(60)
        eventually(lambda: any(path.stat().st_size for path in (device.folder / "incoming").iterdir()), "some bytes")
        agent.terminate()
        _, errors = agent.communicate(timeout=60)
    go_on.set()
    assert agent.returncode == 0, errors

    server.before_piece = lambda: None
    assert once(device, server).agent.why_not() == ""
    assert server.answers["component 206"] == 1


def test_once_that_was_told_to_end_does_not_say_that_all_is_as_desired(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    server.desire(component_of(tmp_path / "shelf"))
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(60)

    server.before_piece = hold
    with process("edge.cli", *device.command(server.url, "--once")) as agent:
        assert begun.wait(60)
        agent.terminate()
        _, errors = agent.communicate(timeout=60)
    go_on.set()

    assert agent.returncode == 1
    assert errors.splitlines()[-1].startswith("error: it was told to end")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--server", "ftp://fleet"],
        ["--server", "http://fleet.example:8600"],
        ["--device", "\udcff"],
        ["--device", "d" * 129],
        ["--every", "0"],
        ["--trial", "nan"],
    ],
)
def test_what_cannot_be_meant_is_one_line_and_code_2(
    device: DeviceFiles, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = device.command("http://127.0.0.1:1", *arguments) if arguments else ["agent"]
    try:
        code: object = main(command)
    except SystemExit as end:
        code = end.code

    assert code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize("kind", ["absent", "nonsense", "a pipe"])
def test_a_trusted_key_that_is_none_ends_it(device: DeviceFiles, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    key = device.root / "key.pub"
    if kind == "nonsense":
        key.write_bytes(b"nonsense")
    elif kind == "a pipe":
        os.mkfifo(key)

    assert main(device.command("http://127.0.0.1:1", "--once", "--trusted-key", str(key))) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert str(key) in line


def test_whoever_trusts_no_key_is_told_who_chooses(device: DeviceFiles, server: FleetServer) -> None:
    with process("edge.cli", *device.command(server.url)) as agent:
        assert agent.stderr is not None
        assert "no --trusted-key" in agent.stderr.readline()
        agent.terminate()
        agent.communicate()
