"""An agent's folder tells people and programs what it holds, and takes a word to its agent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.cli import main
from edge.runs import RunNotes
from models.reference import sha256_of
from tests.component_files import component_of
from tests.edge.agents import DeviceFiles, once
from tests.edge.fleet_server import FleetServer


def told(device: DeviceFiles, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    capsys.readouterr()
    assert main(["status", "--folder", str(device.folder), *more]) == 0
    return capsys.readouterr().out


def gone_back(device: DeviceFiles, server: FleetServer, tmp_path: Path) -> None:
    """A device on which 2.0.0 failed, and 1.0.0 runs."""
    server.desire(component_of(tmp_path / "shelf", favours=0, version="1.0.0"))
    once(device, server)
    server.desire(component_of(tmp_path / "shelf", favours=2, version="2.0.0"))
    once(device, server)
    notes = RunNotes(device.current, print)
    notes.quarantined(sha256_of(device.current / "manifest.json"), "it crashed")
    notes.close()
    once(device, server)
    assert device.version() == "1.0.0"


def test_what_is_desired_runs_and_failed_is_told(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone_back(device, server, tmp_path)
    notes = RunNotes(device.current, print)
    manifest = sha256_of(device.current / "manifest.json")
    notes.runs(manifest)
    notes.answered(manifest)
    lines = told(device, capsys).splitlines()
    value = json.loads(told(device, capsys, "--json"))
    notes.close()

    assert lines[0] == "desired: animals 2.0.0"
    assert lines[1].startswith("current: animals 1.0.0 (")
    assert "failed: animals 2.0.0: quarantined: it crashed" in lines
    assert lines[-1].endswith(": animals 1.0.0: answers")
    assert value["places"][0]["current"]["version"] == "1.0.0"
    assert value["failed"][0]["error"] == "quarantined"
    assert value["runs"][0]["alive"] is True


def test_a_release_in_trial_is_told_as_one(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.desire(component_of(tmp_path / "shelf"))
    once(device, server)

    assert ": trial, for " in told(device, capsys)


def test_what_was_given_up_is_tried_again_once_that_is_asked(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone_back(device, server, tmp_path)
    assert main(["retry", "--folder", str(device.folder)]) == 0
    here = once(device, server)

    assert here.agent.why_not() == ""
    assert device.label() == "cow"
    assert server.state_of("2.0.0") == "trial"
    assert not (device.folder / "retry").exists()


def test_what_failed_and_stayed_has_to_prove_itself_anew(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    server.desire(component_of(tmp_path / "shelf"))
    once(device, server)
    notes = RunNotes(device.current, print)
    notes.quarantined(sha256_of(device.current / "manifest.json"), "it crashed")
    notes.close()
    once(device, server)
    assert server.state_of("1.0.0") == "failed quarantined"

    assert main(["retry", "--folder", str(device.folder)]) == 0
    once(device, server)
    assert server.state_of("1.0.0") == "trial"


@pytest.mark.parametrize("verb", ["status", "retry"])
@pytest.mark.parametrize("state", [None, "{}"])
def test_what_is_no_agents_folder_is_one_line(
    tmp_path: Path, verb: str, state: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if state is not None:
        (tmp_path / "state.json").write_text(state)

    assert main([verb, "--folder", str(tmp_path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert not (tmp_path / "retry").exists()
