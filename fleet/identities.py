"""Names of devices and groups: which can be one, and which there are."""

from __future__ import annotations

import re

from sqlalchemy import Connection, select

from fleet.errors import FleetError, NoSuchDevice, NoSuchGroup
from fleet.store.tables import devices, groups

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def checked_identity(name: str, what: str) -> str:
    """The name of a device or a group, if it can be one.

    Args:
        what: "device" or "group", for the error.

    Raises:
        FleetError: it cannot.
    """
    if not is_identity(name):
        raise FleetError(
            f"{ascii(name)[:140]} cannot name a {what}: letters, digits, `.`, `_` and `-` can, 128 at most, a letter "
            "or a digit first"
        )
    return name


def is_identity(name: str) -> bool:
    """Whether a name can be one. What a stranger asks for may hold what a database refuses to look for."""
    return _NAME.fullmatch(name) is not None


def has_device(connection: Connection, device: str) -> bool:
    """Whether there is such a device."""
    query = select(devices.c.id).where(devices.c.id == device)
    return is_identity(device) and connection.execute(query).one_or_none() is not None


def has_group(connection: Connection, group: str) -> bool:
    """Whether there is such a group."""
    query = select(groups.c.name).where(groups.c.name == group)
    return is_identity(group) and connection.execute(query).one_or_none() is not None


def require_device(connection: Connection, device: str) -> None:
    """Nothing, where there is such a device.

    Raises:
        NoSuchDevice: there is none.
    """
    if not has_device(connection, device):
        raise no_such_device(device)


def require_group(connection: Connection, group: str) -> None:
    """Nothing, where there is such a group.

    Raises:
        NoSuchGroup: there is none.
    """
    if not has_group(connection, group):
        raise no_such_group(group)


def no_such_device(device: str) -> NoSuchDevice:
    """The error, with the name printable."""
    return NoSuchDevice(f"there is no device {ascii(device)[:140]}; `hotswap fleet list` shows those that there are")


def no_such_group(group: str) -> NoSuchGroup:
    """The error, with the name printable."""
    return NoSuchGroup(f"there is no group {ascii(group)[:140]}; `hotswap fleet list` shows those that there are")
