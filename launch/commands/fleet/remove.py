"""`hotswap fleet remove`: a device goes, and its token lets nobody in any more."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.errors import NoSuchDevice
from launch.command_line import OK, CommandRefused
from launch.fleet_arguments import Database, open_fleet
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import say

app = typer.Typer(add_completion=False)


@app.command()
def remove(
    database: Database,
    device: Annotated[list[str] | None, typer.Argument(metavar="DEVICE", help="The devices.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP", help="A group, with what it runs; its devices stay. Repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Takes devices or groups away: all that are named, or none where one of them is not there.

    A device goes on with what it runs; its token is worth nothing from now on.
    """
    devices, groups = list(dict.fromkeys(device or ())), list(dict.fromkeys(group or ()))
    if not devices and not groups:
        raise CommandRefused("name a device, or a group by --group")
    with open_fleet(database) as fleet:
        for name in set(devices) - {each.name for each in fleet.devices.all()}:
            raise NoSuchDevice(f"there is no device {name}, and nothing was removed")
        for name in set(groups) - set(fleet.groups.all()):
            raise CommandRefused(f"there is no group {name}, and nothing was removed")
        fleet.remove(devices, groups)
        fleet.advance()
    if as_json:
        print_json({"devices": devices, "groups": groups})
        return OK
    for name in devices:
        say(f"{name} is removed; its token lets nobody in any more")
    for name in groups:
        say(f"the group {name} is removed; its devices stay")
    return OK
