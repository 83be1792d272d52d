"""`hotswap fleet list`: the devices, what each is to run, and what it says that it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from launch.command_line import OK, CommandRefused
from launch.fleet_arguments import Database, open_fleet
from launch.fleet_report import device_as_json, print_devices
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import PlainConsole, say

app = typer.Typer(add_completion=False)


@app.command(name="list")
def list_devices(
    database: Database,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Only the devices of this group.")] = None,
    as_json: AsJson = False,
) -> int:
    """Lists the devices, sorted by name: what each is to run, what it says that it runs, and when it was seen."""
    with open_fleet(database) as fleet:
        if group is not None and group not in fleet.groups.all():
            raise CommandRefused(f"there is no group {group}; `hotswap fleet status` shows those that there are")
        devices = [each for each in fleet.status() if group is None or group in each.device.groups]
    if as_json:
        print_json([device_as_json(each) for each in devices])
    elif devices:
        print_devices(PlainConsole(), devices)
    else:
        say("there is no device yet; `hotswap fleet add` makes one" if group is None else f"{group} has no device")
    return OK
