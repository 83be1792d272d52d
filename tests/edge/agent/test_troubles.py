"""What befalls a device's disk, its folder and its agent ends nothing."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge import agent, device_folder
from edge.steps import Step
from tests.edge.agents import AgentHere, DeviceFiles, once
from tests.edge.fleet_server import FleetServer
from tests.waiting import eventually


def test_a_state_that_a_disk_damaged_is_made_anew_around_what_runs(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path
) -> None:
    server.desire(first)
    once(device, server)
    (device.folder / "state.json").write_bytes(b"\0" * 100)
    server.down = True
    offline = once(device, server)
    assert device.label() == "ant"
    assert offline.has_told("is made anew")()

    server.down = False
    server.desire(second)
    once(device, server)
    assert device.label() == "cow"
    assert device.components() == {"1.0.0", "2.0.0"}


def test_a_pipe_where_a_file_should_be_is_not_waited_for(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    server.desire(first)
    sha256 = server.model(first).sha256
    (device.folder / "incoming").mkdir(parents=True)
    for name in ("state.json", f"incoming/{sha256}.zip", f"incoming/{sha256}.zip.part"):
        os.mkfifo(device.folder / name)
    once(device, server)

    assert device.label() == "ant"
    assert (device.folder / "state.json").is_file()


def test_the_same_is_verified_anew_where_the_state_is_lost(
    device: DeviceFiles, server: FleetServer, first: Path
) -> None:
    server.desire(first)
    once(device, server)
    (device.folder / "state.json").unlink()
    here = once(device, server)

    assert here.agent.why_not() == ""
    assert device.label() == "ant"
    assert server.state_of("1.0.0") == "trial"


def test_what_lies_in_the_folder_and_is_nobodys_stays(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    (device.folder / "app/releases/1").mkdir(parents=True)
    (device.folder / "app/current").symlink_to("releases/1")
    (device.folder / "notes.txt").touch()
    server.desire(first)
    once(device, server)
    once(device, server)

    assert (device.folder / "app/current").is_dir()
    assert (device.folder / "notes.txt").exists()


def test_a_disk_on_which_nothing_can_be_written_is_told_once_and_reported(
    device: DeviceFiles, server: FleetServer, first: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.desire(first)
    once(device, server)

    def full(data: bytes, path: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(device_folder, "write_locally", full)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    server.desire(second)
    with AgentHere(device, server, every=0.01) as here:
        for _ in range(5):
            polls = server.answers["GET 200"] + server.answers["GET 304"]
            while server.answers["GET 200"] + server.answers["GET 304"] == polls:
                here.agent.turn()

    assert device.version() == "1.0.0"
    assert server.state_of("2.0.0") == "fetching disk_full"
    assert len([line for line in here.told if "No space left" in line]) == 1


def test_what_nobody_has_thought_of_is_told_once_and_ends_nothing(
    device: DeviceFiles, server: FleetServer, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "FIRST_PAUSE_SECONDS", 0.0)
    server.desire(first)
    surprises = [MemoryError("a surprise")] * 3

    def at(step: Step) -> None:
        if step == Step.VERIFIED and surprises:
            raise surprises.pop()

    with AgentHere(device, server, every=0.05, at=at) as here:
        here.start()
        eventually(lambda: server.state_of("1.0.0") == "trial", "what is desired")

    assert len([line for line in here.told if "this should not happen" in line]) == 1


def test_a_component_that_lost_bytes_is_fetched_again(device: DeviceFiles, server: FleetServer, first: Path) -> None:
    server.desire(first)
    once(device, server)
    (device.current / "model.onnx").write_bytes(b"")
    once(device, server)

    assert device.label() == "ant"
