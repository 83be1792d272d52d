"""Groups of devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from sqlalchemy import delete, insert, select

from fleet.errors import GroupTaken
from fleet.identities import checked_identity, has_group, require_device, require_group
from fleet.store.database import Database
from fleet.store.tables import groups, memberships


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
            GroupTaken: there is a group of this name.
            StoreUnusable: the database does not answer.
        """
        checked_identity(group, "group")
        with self._database.changing_plans() as connection:
            if has_group(connection, group):
                raise GroupTaken(f"there is a group {group}")
            connection.execute(insert(groups).values(name=group, created=self._clock()))

    def remove(self, group: str) -> None:
        """Takes a group away, and what was assigned to it; its devices stay.

        Raises:
            NoSuchGroup: there is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            require_group(connection, group)
            connection.execute(delete(groups).where(groups.c.name == group))

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
                require_device(connection, device)
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
