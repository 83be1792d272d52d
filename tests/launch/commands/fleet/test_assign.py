"""What `hotswap fleet assign` promises: devices and groups run what they are told, and nobody else is touched."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from fleet.fleet import Fleet
from launch.fleet_subjects import join
from tests.launch.commands.fleet.conftest import FleetCommand
from tests.launch.commands.fleet.telling import animals
from tests.launch.commands.hotswap_command import error_line


@pytest.fixture
def three(fleet_command: FleetCommand, fleet: Fleet) -> Fleet:
    """Three devices that follow `animals`, of which two versions are on record, the later one rolled out."""
    for device in ("robot-1", "robot-2", "robot-3"):
        fleet.devices.add(device, follow="animals")
    for version, favours in (("1.0.0", 0), ("2.0.0", 1)):
        assert fleet_command("push", animals(version, favours)).code == 0
    return fleet


def versions(told: Callable[..., Any]) -> dict[str, list[str]]:
    return {each["device"]: [model["version"] for model in each["desired"]] for each in told("list")}


def test_a_version_is_pinned_at_once_and_live_follows_again(told: Callable[..., Any], three: Fleet) -> None:
    document = told("assign", "robot-1", "--component", "animals", "--version", "1.0.0")
    assert (document["devices"], document["version"], document["changed"]) == (["robot-1"], "1.0.0", 1)
    assert versions(told) == {"robot-1": ["1.0.0"], "robot-2": ["2.0.0"], "robot-3": ["2.0.0"]}

    assert told("assign", "robot-1", "--component", "animals")["version"] == "live"
    assert versions(told)["robot-1"] == ["2.0.0"]


def test_a_device_that_no_archive_is_made_for_is_named(
    fleet_command: FleetCommand, told: Callable[..., Any], three: Fleet
) -> None:
    three.devices.add("jetson", target="linux-aarch64", follow=None)
    pinned = ("assign", "jetson", "robot-1", "--component", "animals", "--version", "1.0.0")
    assert told(*pinned)["without_archive"] == {"animals": ["jetson"]}
    assert "jetson" in fleet_command(*pinned).err


def test_nothing_takes_a_component_away(told: Callable[..., Any], three: Fleet) -> None:
    told("assign", "--all-devices", "--component", "animals", "--version", "nothing")
    assert versions(told) == {"robot-1": [], "robot-2": [], "robot-3": []}


def test_a_group_is_told_for_its_devices_and_a_device_goes_before_its_group(
    told: Callable[..., Any], three: Fleet
) -> None:
    told("assign", "robot-1", "robot-2", "--join", "hall")
    told("assign", "robot-1", "--component", "animals", "--withdraw")
    told("assign", "--group", "hall", "--component", "animals", "--version", "1.0.0")

    assert versions(told) == {"robot-1": ["1.0.0"], "robot-2": ["2.0.0"], "robot-3": ["2.0.0"]}
    (group,) = told("status")["groups"]
    assert group == {"group": "hall", "devices": 2, "assigned": {"animals": "1.0.0"}}


def test_what_was_assigned_is_taken_back_and_what_runs_goes_on(told: Callable[..., Any], three: Fleet) -> None:
    document = told("assign", "robot-1", "--component", "animals", "--withdraw")
    assert (document["version"], document["changed"]) == (None, 0)
    assert versions(told)["robot-1"] == ["2.0.0"]
    assert told("status", "robot-1")["assigned"] == {}


def test_of_many_who_make_a_group_at_once_each_puts_its_device_into_it(three: Fleet) -> None:
    begin = Barrier(3)

    def put(device: str) -> None:
        for number in range(10):
            begin.wait(60)
            join(three, f"group-{number}", [device])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(put, ("robot-1", "robot-2", "robot-3")))
    assert three.groups.all() == {f"group-{number}": ["robot-1", "robot-2", "robot-3"] for number in range(10)}


def test_devices_leave_a_group(told: Callable[..., Any], three: Fleet) -> None:
    told("assign", "--all-devices", "--join", "hall", "--join", "yard")
    told("assign", "robot-1", "--leave", "hall")
    assert told("status", "robot-1")["groups"] == ["yard"]
    assert told("status", "robot-2")["groups"] == ["hall", "yard"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("robot-1",), "say what"),
        (("--component", "animals"), "say whom"),
        (("robot-9", "--component", "animals"), "robot-9"),
        (("robot-1", "robot-9", "--component", "animals", "--version", "nothing"), "robot-9"),
        (("--group", "cellar", "--component", "animals"), "cellar"),
        (("robot-1", "--leave", "cellar"), "cellar"),
        (("--all-devices", "robot-1", "--component", "animals"), "all devices"),
        (("--group", "hall", "--join", "yard"), "--join"),
        (("robot-1", "--component", "animals", "--version", "9.9.9"), "9.9.9"),
        (("robot-1", "--component", "animals", "--version", "newest"), "newest"),
        (("robot-1", "--component", "a/b"), "a/b"),
        (("robot-1", "--component", "\x1b[2J"), "x1b"),
        (("robot-1", "--join", "a b"), "a b"),
        (("robot-1", "--withdraw", "--version", "1.0.0"), "--withdraw"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line_and_changes_nothing(
    fleet_command: FleetCommand, told: Callable[..., Any], three: Fleet, arguments: tuple[str, ...], words: str
) -> None:
    before = told("list")

    outcome = fleet_command("assign", *arguments)

    assert outcome.code == 2
    assert words in error_line(outcome)
    assert error_line(outcome).isprintable()
    assert told("list") == before


def test_people_are_told_how_many_devices_it_changes(fleet_command: FleetCommand, three: Fleet) -> None:
    pinned = fleet_command("assign", "--all-devices", "--component", "animals", "--version", "1.0.0")
    assert pinned.last_line == "3 devices are to run something else than before"
    again = fleet_command("assign", "--all-devices", "--component", "animals", "--version", "1.0.0")
    assert again.last_line == "no device is to run anything else than before"
