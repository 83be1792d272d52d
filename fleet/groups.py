"""Groups of devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from sqlalchemy import Connection, delete, insert, select

from fleet.devices import checked_identity
from fleet.errors import DeviceTaken, NoSuchGroup
from fleet.store.database import Database
from fleet.store.tables import devices, groups, memberships
from fleet.twin_store import no_such_device


class Groups:
    """Groups of devices. Any thread may use it.

    Args:
        database, clock: as of `Devices`.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def add(self, group: str) -> None:
        """Makes a group without devices.

        Raises:
            FleetError: the name cannot be one.
            DeviceTaken: there is a group of this name.
            StoreUnusable: the database does not answer.
        """
        checked_identity(group, "group")
        with self._database.changing_plans() as connection:
            if connection.execute(select(groups.c.name).where(groups.c.name == group)).one_or_none() is not None:
                raise DeviceTaken(f"there is a group {group}")
            connection.execute(insert(groups).values(name=group, created=self._clock()))

    def remove(self, group: str) -> None:
        """Takes a group away, and what was assigned to it; its devices stay.

        Raises:
            NoSuchGroup: there is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            if connection.execute(delete(groups).where(groups.c.name == group)).rowcount == 0:
                raise _no_such_group(group)

    def all(self) -> dict[str, list[str]]:
        """The devices of each group, both sorted.

        Raises:
            StoreUnusable: as of `add`.
        """
        with self._database.reading() as connection:
            found: dict[str, list[str]] = {
                name: [] for name in connection.execute(select(groups.c.name).order_by(groups.c.name)).scalars()
            }
            for row in connection.execute(select(memberships).order_by(memberships.c.device)):
                found.setdefault(row.group_name, []).append(row.device)
        return found

    def add_members(self, group: str, members: Iterable[str]) -> None:
        """Puts devices into a group: all of them, or none where this raises. One that is in it stays.

        Raises:
            NoSuchGroup: there is none.
            NoSuchDevice: one of them is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            require_group(connection, group)
            there = set(
                connection.execute(select(memberships.c.device).where(memberships.c.group_name == group)).scalars()
            )
            for device in dict.fromkeys(members):
                if connection.execute(select(devices.c.id).where(devices.c.id == device)).one_or_none() is None:
                    raise no_such_device(device)
                if device not in there:
                    connection.execute(insert(memberships).values(group_name=group, device=device))

    def remove_members(self, group: str, members: Iterable[str]) -> None:
        """Takes devices out of a group. One that is not in it stays out.

        Raises:
            NoSuchGroup: there is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            require_group(connection, group)
            leaving = delete(memberships).where(
                memberships.c.group_name == group, memberships.c.device.in_(list(members))
            )
            connection.execute(leaving)


def require_group(connection: Connection, group: str) -> None:
    """Raises where there is no such group.

    Raises:
        NoSuchGroup: as it says.
    """
    if connection.execute(select(groups.c.name).where(groups.c.name == group)).one_or_none() is None:
        raise _no_such_group(group)


def _no_such_group(group: str) -> NoSuchGroup:
    return NoSuchGroup(f"there is no group {ascii(group)[:140]}; `hotswap fleet list` shows those that there are")
