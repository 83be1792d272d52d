"""Who a verb about a fleet is for: devices, groups, or all devices that there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Annotated

import typer

from fleet.errors import GroupTaken, NoSuchDevice, NoSuchGroup
from fleet.fleet import Fleet
from launch.command_line import CommandRefused
from launch.printing import PlainConsole
from launch.waiting import working

_MANY = 100
"""Devices that take no second."""

Groups = Annotated[list[str] | None, typer.Option(metavar="GROUP", help="The devices of a group; repeatable.")]
AllDevices = Annotated[bool, typer.Option("--all-devices", help="Every device that there is now.")]


@dataclass(frozen=True, slots=True)
class Subjects:
    """Devices and groups, each named once, that are there.

    Attributes:
        devices: by name.
        groups: by name.
    """

    devices: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def title(self) -> str:
        """For people."""
        named = self.devices if len(self.devices) <= 3 else (f"{len(self.devices):,} devices",)
        return ", ".join([*named, *(f"the group {group}" for group in self.groups)])


def subjects_of(fleet: Fleet, devices: Sequence[str], groups: Sequence[str], all_devices: bool) -> Subjects:
    """Those who are named.

    Raises:
        CommandRefused: all are meant, and some are named.
        NoSuchDevice, NoSuchGroup: one is not there.
        StoreUnusable: the database does not answer.
    """
    there = [each.name for each in fleet.devices.all()]
    if all_devices:
        if devices or groups:
            raise CommandRefused("all devices are meant: that goes without DEVICE and without --group")
        if not there:
            raise NoSuchDevice("there is no device yet; `hotswap fleet add` makes one")
        return Subjects(tuple(there), ())
    for name in devices:
        if name not in there:
            raise NoSuchDevice(f"there is no device {name}; `hotswap fleet list` shows those that there are")
    known = fleet.groups.all()
    for name in groups:
        if name not in known:
            raise NoSuchGroup(f"there is no group {name}; `hotswap fleet assign DEVICE --join {name}` makes it")
    return Subjects(tuple(dict.fromkeys(devices)), tuple(dict.fromkeys(groups)))


def join(fleet: Fleet, group: str, devices: Iterable[str]) -> None:
    """Puts devices into a group, which is made where there is none.

    Raises:
        FleetError: the name cannot be a group's.
        NoSuchDevice: a device is not there; nothing is changed.
        StoreUnusable: the database does not answer.
    """
    with suppress(GroupTaken):
        fleet.groups.add(group)
    fleet.groups.add_members(group, devices)


def taking_long(devices: int, doing: str) -> AbstractContextManager[None]:
    """Says what takes long, where it is done to many devices one after the other.

    Args:
        devices: how many.
        doing: "assigning to", say.
    """
    return working(PlainConsole(stderr=True), f"{doing} {devices:,} devices") if devices > _MANY else nullcontext()
