"""The first minutes of a release: nobody asks what the clock on the wall says, and what fails then gives way."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from edge import retries
from edge.device_state import FIRST_PLACE, DeviceState
from edge.runs import RunNotes
from edge.steps import Step
from models.reference import sha256_of
from tests.component_files import component_of
from tests.edge.agents import AgentHere, DeviceFiles, once
from tests.edge.fleet_server import FleetServer
from tests.waiting import eventually


def shelved(tmp_path: Path, version: str, favours: int) -> Path:
    return component_of(tmp_path / "shelf", favours=favours, version=version)


def says(server: FleetServer, version: str, state: str) -> bool:
    return server.state_of(version) == state


def current_state(device: DeviceFiles) -> DeviceState:
    return DeviceState.decode((device.folder / "state.json").read_bytes())


def test_a_release_whose_bytes_changed_in_its_trial_is_fetched_again_and_not_condemned(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.0)
    server.desire(shelved(tmp_path, "1.0.0", 0))
    once(device, server)
    server.desire(shelved(tmp_path, "2.0.0", 2))
    once(device, server)
    model = device.current.resolve() / "model.onnx"
    model.write_bytes(bytes(model.stat().st_size))
    with AgentHere(device, server, every=0.05, trial=0.1) as here:
        here.start()
        eventually(partial(says, server, "2.0.0", "running"), "that it has come through")

    assert here.has_told("animals 2.0.0 changed on this disk")()
    assert device.label() == "cow"


def test_a_release_by_which_somebody_answered_is_not_asked_again(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    server.desire(shelved(tmp_path, "1.0.0", 0))
    once(device, server)
    notes = RunNotes(device.current, print)
    notes.answered(sha256_of(device.current / "manifest.json"))
    with AgentHere(device, server, every=0.05, trial=0.1) as here:
        here.start()
        eventually(partial(says, server, "1.0.0", "running"), "the end of the trial")
    notes.close()

    assert here.probed == []


def test_a_release_whose_files_were_taken_away_is_fetched_again_and_not_condemned(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.0)
    server.desire(shelved(tmp_path, "1.0.0", 0))
    once(device, server)
    server.desire(shelved(tmp_path, "2.0.0", 2))
    with AgentHere(device, server, every=0.05, trial=0.1) as here:
        here.agent.turn()
        (device.current / "model.onnx").unlink()
        here.start()
        eventually(partial(says, server, "2.0.0", "running"), "that it has come through")

    assert here.has_told("changed on this disk")()
    assert device.label() == "cow"
    assert current_state(device).failed == {}


def proved(device: DeviceFiles, server: FleetServer, archive: Path) -> str:
    """Has a device run something that comes through its trial; the SHA-256 of its manifest."""
    server.desire(archive)
    for _ in range(2):
        once(device, server, trial=0.0)
    return sha256_of(device.current / "manifest.json")


def test_what_fails_long_after_its_trial_gives_way_too_and_it_is_told(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    proved(device, server, shelved(tmp_path, "1.0.0", 0))
    manifest = proved(device, server, shelved(tmp_path, "2.0.0", 2))
    notes = RunNotes(device.current, print)
    notes.quarantined(manifest, "it crashed")
    notes.close()
    once(device, server)

    assert device.label() == "ant"
    assert server.state_of("2.0.0") == "failed quarantined"
    assert server.state_of("1.0.0") == "running"


def test_what_fails_long_after_its_trial_is_told_and_stays_where_there_is_no_other(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    manifest = proved(device, server, shelved(tmp_path, "1.0.0", 0))
    notes = RunNotes(device.current, print)
    notes.quarantined(manifest, "it crashed")
    here = [once(device, server) for _ in range(2)]
    notes.close()

    assert device.version() == "1.0.0"
    assert server.state_of("1.0.0") == "failed quarantined"
    assert [each.has_told("fails here")() for each in here] == [True, False]


def test_a_trial_goes_on_where_the_agent_before_left_it(
    device: DeviceFiles, server: FleetServer, tmp_path: Path
) -> None:
    server.desire(shelved(tmp_path, "1.0.0", 0))
    once(device, server, trial=1000.0)
    trial = current_state(device).places[FIRST_PLACE].trial
    assert trial is not None
    eventually(lambda: time.monotonic() > trial.seen + 0.2, "some time")
    once(device, server, trial=0.2)

    assert current_state(device).places[FIRST_PLACE].trial is None


@pytest.mark.parametrize("clock", [0.0, 1e11])
def test_no_clock_on_the_wall_decides_anything(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: float
) -> None:
    monkeypatch.setattr(time, "time", lambda: clock)
    server.desire(shelved(tmp_path, "1.0.0", 0))
    with AgentHere(device, server, every=0.05, trial=0.1) as here:
        here.start()
        eventually(partial(says, server, "1.0.0", "running"), "the end of the trial")


def test_all_is_on_the_disk_before_it_gets_its_name(
    device: DeviceFiles, server: FleetServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    to_disk = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        to_disk(descriptor)

    missing: list[set[str]] = []

    def at(step: Step) -> None:
        if step == Step.SYNCED:
            [unpacked] = (device.folder / "incoming").glob("*.unpacked")
            missing.append({str(path) for path in (unpacked, *unpacked.iterdir())} - {str(path) for path in synced})
        if step == Step.LINKED:
            missing.append({str(device.folder / "components"), str(device.folder)} - {str(path) for path in synced})

    monkeypatch.setattr(os, "fsync", noted)
    server.desire(shelved(tmp_path, "1.0.0", 0))
    once(device, server, at=at)

    assert missing == [set(), set()]
