"""What `hotswap fleet list` and `status` promise: who is to run what and does, for people and for scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.text import Text

from fleet.devices import Device
from fleet.fleet import DeviceStatus, Fleet
from launch.fleet_report import print_device, print_devices
from launch.printing import PlainConsole
from models.components.twin import DesiredModel, Reported, ReportedModel, RunState, Twin
from tests.launch.commands.fleet.conftest import FleetCommand
from tests.launch.commands.fleet.telling import animals, say
from tests.launch.commands.hotswap_command import error_line

_THOUSAND = 1000


@pytest.fixture
def two(fleet_command: FleetCommand, fleet: Fleet) -> Fleet:
    """Two devices that are to run `animals`."""
    for device in ("robot-1", "robot-2"):
        fleet_command("add", device, "--token-file", f"{device}.token", "--component", "animals", "--group", "hall")
    assert fleet_command("push", animals()).code == 0
    return fleet


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """What follows is told as to a terminal of so many columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))


def lines(out: str) -> list[str]:
    return [Text.from_ansi(line).plain.rstrip() for line in out.splitlines()]


def test_a_fleet_without_devices_is_told_in_a_line(fleet_command: FleetCommand, fleet: Fleet) -> None:
    outcome = fleet_command("list")
    assert (outcome.code, len(outcome.out.splitlines())) == (0, 1)
    assert "hotswap fleet add" in outcome.out
    assert fleet_command("status").out == "0 devices\n"


def test_what_a_device_is_to_run_is_told_beside_what_it_says(told: Callable[..., Any], two: Fleet) -> None:
    before, _ = told("list")
    assert (before["state"], before["last_seen"], before["free_bytes"]) == ("pending", None, None)
    say(two, "robot-1", "running", free_bytes=12_000_000)

    running, pending = told("list")

    assert (running["device"], running["state"], pending["state"]) == ("robot-1", "running", "pending")
    (desired,) = running["desired"]
    (reported,) = running["reported"]
    assert (desired["name"], desired["version"], desired["state"]) == ("animals", "1.0.0", "running")
    assert (reported["sha256"], reported["model_id"]) == (desired["sha256"], "digits.h5@sha256:0123456789ab")
    assert (running["free_bytes"], running["agent"]) == (12_000_000, "0.2.0")
    assert running["last_seen"].endswith("Z")
    assert running["groups"] == ["hall"] and running["assigned"] == {"animals": "live"}


def test_the_worst_of_its_components_is_the_state_of_a_device(told: Callable[..., Any], two: Fleet) -> None:
    say(two, "robot-1", "failed", "non_finite_output", "its probe failed")
    say(two, "robot-2", "trial")

    failed, trial = told("list")

    assert (failed["state"], trial["state"]) == ("failed", "trial")
    document = told("status")
    assert document["states"] == {"running": 0, "trial": 1, "fetching": 0, "pending": 0, "failed": 1, "idle": 0}
    (failure,) = document["failures"]
    assert (failure["device"], failure["error"]) == ("robot-1", "non_finite_output")
    assert failure["detail"] == "its probe failed"


def test_one_component_that_failed_is_seen_beside_one_that_runs(told: Callable[..., Any], two: Fleet) -> None:
    told("push", animals("2.0.0", favours=2), "--device", "robot-1")
    old, new = two.twins.read("robot-2").models[0], two.twins.read("robot-1").models[0]
    other = replace(new, name="birds")
    two.twins.write_desired("robot-2", (old, other), two.twins.read("robot-2").etag)
    states: dict[str, RunState] = {"animals": "running", "birds": "failed"}
    said = [ReportedModel(each.name, each.version, each.sha256, "", states[each.name]) for each in (old, other)]
    two.twins.write_reported("robot-2", Reported(tuple(said)))

    device = told("status", "robot-2")

    assert [each["state"] for each in device["desired"]] == ["running", "failed"]
    assert device["state"] == "failed"


def test_a_report_of_other_bytes_is_none_of_what_is_desired(
    fleet_command: FleetCommand, told: Callable[..., Any], two: Fleet
) -> None:
    say(two, "robot-1", "running")
    fleet_command("push", animals("2.0.0", favours=2))
    device, _ = told("list")
    assert device["state"] == "pending"
    assert [each["version"] for each in device["reported"]] == ["1.0.0"]


def test_scripts_without_json_get_a_line_for_each_device_with_tabs(fleet_command: FleetCommand, two: Fleet) -> None:
    say(two, "robot-1", "running")
    first, second = (line.split("\t") for line in fleet_command("list").out.splitlines())
    assert first[:4] == ["robot-1", "running", "animals 1.0.0", "animals 1.0.0"]
    assert second[:4] == ["robot-2", "pending", "animals 1.0.0", ""]


@pytest.mark.parametrize("columns", [80, 160])
def test_a_table_fits_the_terminal(
    fleet_command: FleetCommand, two: Fleet, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    say(two, "robot-1", "failed", "non_finite_output")
    on_a_terminal(monkeypatch, columns)

    for arguments in (("list",), ("status",), ("status", "--rollout")):
        told = lines(fleet_command(*arguments).out)
        assert max(map(len, told)) <= columns
    table = "\n".join(lines(fleet_command("list").out))
    for word in ("device", "state", "to run", "runs", "seen", "robot-1", "failed: non_finite_output", "animals 1.0.0"):
        assert word in table
    assert ("hall" in table) == (columns > 100)


def test_devices_of_one_group_are_listed_alone(
    fleet_command: FleetCommand, told: Callable[..., Any], two: Fleet
) -> None:
    fleet_command("add", "robot-3", "--token-file", "third")
    assert [each["device"] for each in told("list", "--group", "hall")] == ["robot-1", "robot-2"]
    absent = fleet_command("list", "--group", "cellar")
    assert absent.code == 2
    assert "cellar" in error_line(absent)


def test_a_thousand_devices_are_listed_each_once_and_counted(
    fleet_command: FleetCommand, told: Callable[..., Any], fleet: Fleet
) -> None:
    for number in range(_THOUSAND):
        fleet.devices.add(f"robot-{number:04}", follow="animals")
    assert told("push", animals())["rollouts"][0]["reached"] == _THOUSAND
    say(fleet, "robot-0500", "running")

    assert len(fleet_command("list").out.splitlines()) == _THOUSAND
    listed = told("list")
    assert [each["device"] for each in listed] == [f"robot-{number:04}" for number in range(_THOUSAND)]
    (component,) = told("status")["components"]
    assert (component["devices"], component["running"], component["pending"]) == (_THOUSAND, 1, _THOUSAND - 1)


def test_one_device_is_told_whole(fleet_command: FleetCommand, told: Callable[..., Any], two: Fleet) -> None:
    say(two, "robot-1", "failed", "non_finite_output", "its probe failed")

    outcome = fleet_command("status", "robot-1")

    assert outcome.code == 0
    for words in ("robot-1", "failed", "animals live", "animals 1.0.0", "non_finite_output: its probe failed", "hall"):
        assert words in outcome.out
    assert told("status", "robot-1") == told("list")[0]
    absent = fleet_command("status", "robot-9")
    assert absent.code == 2
    assert "robot-9" in error_line(absent)
    assert fleet_command("status", "robot-1", "--rollout").code == 2


def test_rollouts_are_told_with_their_steps_and_failures(
    fleet_command: FleetCommand, told: Callable[..., Any], two: Fleet
) -> None:
    fleet_command("push", animals("2.0.0", favours=2), "--rollout", "50,100", "--halt-above", "20")
    reached = next(each["device"] for each in told("list") if each["desired"][0]["version"] == "2.0.0")
    say(two, reached, "failed", "non_finite_output", "its probe failed")
    two.advance()

    document = told("status", "--rollout")

    (latest,) = document["rollouts"]
    assert (latest["state"], latest["step"], latest["steps"], latest["shares"]) == ("halted", 1, 2, [50.0, 100.0])
    assert (latest["followers"], latest["reached"], latest["failed"], latest["halt_percent"]) == (2, 1, 1, 20.0)
    assert [each["version"] for each in document["earlier"]] == ["1.0.0"]
    people = fleet_command("status").out
    assert "halted" in people
    assert "[50 %] → 100 %" in people
    assert "--resume" in people and "--back" in people
    assert f"{reached}: animals 2.0.0 failed; non_finite_output: its probe failed" in people


def test_a_device_that_writes_to_the_terminal_writes_on_its_line_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\r\nrobot-9\tok [bold red]x[/] \u202e\x9b1A"
    said = ReportedModel("animals", "1.0.0", "a" * 64, evil, "failed", evil, evil)
    device = Device("robot-1", "linux-x86_64", 0.0, 0.0, ())
    reported = Reported((said,), agent=evil, target=evil)
    of = DeviceStatus(
        device, {}, Twin("robot-1", (DesiredModel("animals", "1.0.0", "", "a" * 64, 1),), 1, "e", reported)
    )

    outputs = []
    for is_terminal in (False, True):
        if is_terminal:
            on_a_terminal(monkeypatch, 400)
        for tell in (lambda: print_devices(PlainConsole(), [of]), lambda: print_device(PlainConsole(), of)):
            tell()
            outputs.append(capsys.readouterr().out)

    for out in outputs:
        plain = Text.from_ansi(out).plain
        assert "\x1b[2J" not in out and "\x1b]0" not in out
        assert not {"\x07", "\r", "\u202e", "\x9b"} & set(out)
        assert "[bold red]x[/]" in plain
        assert not any(line.startswith("robot-9") for line in plain.splitlines())
