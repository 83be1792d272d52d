"""`hotswap fleet list`: the devices, what each is to run, and what it says that it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from launch.command_line import OK, CommandRefused
from launch.fleet_arguments import Database, open_fleet
from launch.fleet_report import device_as_json, print_devices
from launch.fleet_subjects import Groups
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import PlainConsole, say
from launch.release_report import print_releases, release_as_json

app = typer.Typer(add_completion=False)


@app.command(name="list")
def list_devices(
    database: Database,
    group: Groups = None,
    releases: Annotated[
        bool, typer.Option("--releases", help="The releases on record, which push takes as NAME@VERSION.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Lists the devices, sorted by name: what each is to run, what it says that it runs, and when it was seen. Or what
    could come to them.
    """
    if releases and group:
        raise CommandRefused("--releases are the whole fleet's, and go without --group")
    with open_fleet(database) as fleet:
        if releases:
            found = fleet.releases.all()
            print_json([release_as_json(each) for each in found]) if as_json else print_releases(PlainConsole(), found)
            return OK
        groups = set(group or ())
        for name in sorted(groups - set(fleet.groups.all())):
            raise CommandRefused(f"there is no group {name}; `hotswap fleet status` shows those that there are")
        devices = [each for each in fleet.status() if not groups or groups & set(each.device.groups)]
    if as_json:
        print_json([device_as_json(each) for each in devices])
    elif devices:
        print_devices(PlainConsole(), devices)
    else:
        say("there is no device yet; `hotswap fleet add` makes one" if not groups else "there is no device in it")
    return OK
