"""`hotswap fleet add`: a device, and the token by which it is let in."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fleet.assignments import DEFAULT_COMPONENT, LIVE
from fleet.errors import DeviceTaken, NoSuchDevice
from fleet.fleet import Fleet
from fleet.identities import checked_identity
from launch.command_line import OK, CommandRefused
from launch.device_options import TargetDevice
from launch.fleet_arguments import Database, open_fleet
from launch.fleet_subjects import join
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import say
from launch.token_files import new_token_file
from models.components.component import checked_component_name

_SERVER = "https://SERVER:8600"
app = typer.Typer(add_completion=False)


@app.command()
def add(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Its name: letters, digits, `.`, `_` and `-`.")],
    database: Database,
    token_file: Annotated[
        Path, typer.Option(metavar="FILE", help="A new file for its token, which its owner alone can read.")
    ],
    target: Annotated[
        TargetDevice | None, typer.Option(help=f"What it is ({TargetDevice.X86_64}), until it says so itself.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="That it is in; made where there is none. Repeatable.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--component",
            metavar="NAME",
            help=f"The component that it follows ({DEFAULT_COMPONENT}: the live model). Repeatable.",
        ),
    ] = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Of a device that there is: the token before lets nobody in any more.")
    ] = False,
    server: Annotated[
        str, typer.Option(metavar="URL", help="The fleet server's, for the line that tells what to do next.")
    ] = _SERVER,
    as_json: AsJson = False,
) -> int:
    """Makes a device that follows the live model, and writes its token to a file; both, or neither.

    The database is made where there is none. The last line says what to run on the device, once the file is there.
    """
    groups, models = list(dict.fromkeys(group or ())), list(dict.fromkeys(model or [DEFAULT_COMPONENT]))
    if new_token and (groups or model or target):
        raise CommandRefused("--new-token changes the token alone; `hotswap fleet assign` changes the rest")
    _require_names(device, groups, models)
    with open_fleet(database, make=not new_token) as fleet:
        if new_token:
            _renew(fleet, device, token_file)
        else:
            _add(fleet, device, token_file, target or TargetDevice.X86_64, groups, models)
    command = shlex.join(
        ["hotswap-edge", "agent", "--server", server, "--device", device, "--token-file", str(token_file)]
    )
    # The key is of the operator's choice, as the folder is: without it whoever runs the server chooses the model.
    following = f"{command} --folder DIR --trusted-key KEY.pub"
    if as_json:
        told = {"device": device, "token_file": str(token_file), "new_token": new_token, "next": following}
        print_json(told)
        return OK
    what = "has a new token" if new_token else f"follows {' and '.join(models)}"
    say(f"{device} {what}; its token is in {token_file}, and nowhere else")
    say(f"on the device: {following}")
    return OK


def _require_names(device: str, groups: list[str], models: list[str]) -> None:
    checked_identity(device, "device")
    for group in groups:
        checked_identity(group, "group")
    for name in models:
        try:
            checked_component_name(name)
        except ValueError as error:
            raise CommandRefused(str(error)) from error


def _add(
    fleet: Fleet, device: str, token_file: Path, target: TargetDevice, groups: list[str], models: list[str]
) -> None:
    with new_token_file(token_file) as write:
        try:
            token = fleet.devices.add(device, target=target.value, follow=models[0])
        except DeviceTaken as error:
            remedy = "`--new-token` gives it another token, `hotswap fleet remove` takes it away"
            raise DeviceTaken(f"there is a device {device}; {remedy}") from error
        try:
            for name in models[1:]:
                fleet.assignments.assign(name, LIVE, device=device)
            for group in groups:
                join(fleet, group, [device])
            write(token)
        except BaseException:
            fleet.devices.remove(device)
            raise
    fleet.advance()


def _renew(fleet: Fleet, device: str, token_file: Path) -> None:
    if device not in {each.name for each in fleet.devices.all()}:
        raise NoSuchDevice(f"there is no device {device}; without --new-token it is made")
    with new_token_file(token_file) as write:
        write(fleet.devices.renew_token(device))
