"""`hotswap fleet assign`: what devices or groups are to run, and who is in a group."""

from __future__ import annotations

from typing import Annotated

import typer

from fleet.assignments import DEFAULT_COMPONENT, LIVE, NOTHING
from fleet.fleet import Arrangement
from fleet.identities import checked_identity
from launch.command_line import OK, CommandRefused
from launch.fleet_arguments import Database, open_fleet
from launch.fleet_report import changed_in_words
from launch.fleet_subjects import AllDevices, Groups, subjects_of, taking_long
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import say
from launch.pushing import left_waiting, say_left_waiting

app = typer.Typer(add_completion=False)


@app.command()
def assign(
    database: Database,
    device: Annotated[list[str] | None, typer.Argument(metavar="DEVICE", help="The devices.")] = None,
    group: Groups = None,
    all_devices: AllDevices = False,
    model: Annotated[
        str | None,
        typer.Option("--component", metavar="NAME", help=f"Its name ({DEFAULT_COMPONENT}: what a server follows)."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            metavar="X.Y.Z|live|nothing", help="live (the default) follows rollouts; a version is pinned, at once."
        ),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take back what was assigned of --component; what runs goes on.")
    ] = False,
    join_group: Annotated[
        list[str] | None,
        typer.Option("--join", metavar="GROUP", help="Put the devices into a group; made where there is none."),
    ] = None,
    leave_group: Annotated[
        list[str] | None, typer.Option("--leave", metavar="GROUP", help="Take the devices out of a group.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Says what devices or groups are to run: what is live, a version, or nothing of a name. Puts devices into groups.

    What a device itself is told goes before what its groups are told; of several groups, what was said last.
    """
    joined, left = list(dict.fromkeys(join_group or ())), list(dict.fromkeys(leave_group or ()))
    assigns = model is not None or version is not None or withdraw
    if not assigns and not joined and not left:
        raise CommandRefused("say what: --component NAME, --version, --withdraw, --join GROUP or --leave GROUP")
    if not (device or group or all_devices):
        raise CommandRefused("say whom: DEVICE, --group GROUP or --all-devices")
    if withdraw and version is not None:
        raise CommandRefused("--withdraw goes without --version")
    if (joined or left) and group:
        raise CommandRefused("--join and --leave are for devices, and not for --group")
    for name in joined:
        checked_identity(name, "group")
    named = model or DEFAULT_COMPONENT
    with open_fleet(database) as fleet:
        subjects = subjects_of(fleet, device or (), group or (), all_devices)
        subjects_of(fleet, (), left, all_devices=False)
        versions = {named: None if withdraw else version or LIVE} if assigns else {}
        with taking_long(len(subjects.devices), "assigning to"):
            fleet.arrange(Arrangement(subjects.devices, subjects.groups, versions, tuple(joined), tuple(left)))
        written = fleet.advance()
        waiting = left_waiting(fleet, (), [(named, version)]) if version else {}
    if as_json:
        told = {
            "devices": list(subjects.devices),
            "groups": list(subjects.groups),
            "model": named if assigns else None,
            "version": None if withdraw or not assigns else version or LIVE,
            "joined": joined,
            "left": left,
            "without_archive": waiting,
            "changed": written,
        }
        print_json(told)
        return OK
    if assigns:
        say(f"{subjects.title}: {_assigned(named, None if withdraw else version or LIVE)}")
    for way, groups in (("in", joined), ("not in", left)):
        if groups:
            say(f"{subjects.title}: {way} {', '.join(groups)} from now on")
    say_left_waiting(waiting)
    say(changed_in_words(written))
    return OK


def _assigned(name: str, version: str | None) -> str:
    if version is None:
        return f"nothing is assigned of {name} any more; what runs goes on"
    return {LIVE: f"{name}, as rollouts bring it", NOTHING: f"no {name}"}.get(version, f"{name} {version}, pinned")
