"""`hotswap fleet status`: one device whole, the fleet in numbers, or its rollouts."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from fleet.errors import NoSuchDevice
from fleet.fleet import Fleet
from launch.command_line import FAILED, OK, CommandRefused
from launch.fleet_arguments import Database, open_fleet
from launch.fleet_report import device_as_json, print_device
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import PlainConsole, say
from launch.rollout_report import (
    failures_as_json,
    fleet_as_json,
    print_earlier,
    print_failures,
    print_fleet,
    print_rollout,
    progress_line,
    rollout_as_json,
)

_LOOK_SECONDS = 1.0
app = typer.Typer(add_completion=False)


@app.command()
def status(
    database: Database,
    device: Annotated[str | None, typer.Argument(metavar="DEVICE", help="Tell of this device, whole.")] = None,
    rollout: Annotated[
        bool, typer.Option("--rollout", help="Tell of rollouts alone: steps, failures, and those before.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Tell how rollouts come on, until all are done, or (code 1) one is halted.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Tells of one device, or of the fleet: how many devices are to run what and do, rollouts, failures."""
    if follow and (device is not None or as_json):
        raise CommandRefused("--follow tells of all rollouts in lines, and goes without DEVICE and --json")
    if device is not None and rollout:
        raise CommandRefused("--rollout tells of the whole fleet, and goes without DEVICE")
    with open_fleet(database) as fleet:
        if follow:
            return _follow(fleet)
        if device is not None:
            _tell_device(fleet, device, as_json)
        else:
            _tell_fleet(fleet, rollout, as_json)
    return OK


def _follow(fleet: Fleet) -> int:
    """Whoever takes rollouts on, a running server say, has them come on; here they are looked at alone."""
    told: dict[int, str] = {}
    while True:
        latest = fleet.rollouts.status()
        for each in latest:
            line = progress_line(each)
            if told.get(each.rollout.id) != line:
                told[each.rollout.id] = line
                say(line)
        states = {each.rollout.state for each in latest}
        if "running" not in states:
            return FAILED if "halted" in states else OK
        time.sleep(_LOOK_SECONDS)


def _tell_device(fleet: Fleet, name: str, as_json: bool) -> None:
    of = next((each for each in fleet.status() if each.device.name == name), None)
    if of is None:
        raise NoSuchDevice(f"there is no device {name}; `hotswap fleet list` shows those that there are")
    print_json(device_as_json(of)) if as_json else print_device(PlainConsole(), of)


def _tell_fleet(fleet: Fleet, rollouts_alone: bool, as_json: bool) -> None:
    latest, devices = fleet.rollouts.status(), fleet.status()
    shown = {each.rollout.id for each in latest}
    earlier = [each for each in reversed(fleet.rollouts.all()) if each.id not in shown] if rollouts_alone else []
    failures = failures_as_json(devices)
    told = {} if rollouts_alone else fleet_as_json(devices, fleet.groups.all(), fleet.assignments.all())
    if as_json:
        told["rollouts"] = [rollout_as_json(each.rollout, each) for each in latest]
        if rollouts_alone:
            told["earlier"] = [rollout_as_json(each) for each in earlier]
        print_json(told | {"failures": failures})
        return
    console = PlainConsole()
    if not rollouts_alone:
        print_fleet(console, told)
    elif not latest:
        say("nothing was rolled out yet; `hotswap fleet push` and a server's live model begin a rollout")
    for each in latest:
        print_rollout(console, each)
    print_earlier(console, earlier)
    print_failures(console, failures)
