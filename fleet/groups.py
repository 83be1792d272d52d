"""Groups of devices."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

from sqlalchemy import Connection, delete, exists, false, insert, literal, select, update

from fleet.errors import GroupTaken
from fleet.identities import checked_identity, has_group, require_device, require_group
from fleet.store.database import Database
from fleet.store.tables import groups, memberships, reached, rollouts


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
        """Takes a group away, what was assigned to it, and its rollouts; its devices stay, and keep what those brought
        until a later rollout comes to them.

        Raises:
            NoSuchGroup: there is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            remove_group(connection, group)

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
            _join(connection, group, members)

    def remove_members(self, group: str, members: Iterable[str]) -> None:
        """Takes devices out of a group. One that is not in it stays out. They keep what its rollouts brought until a
        later one comes to them.

        Raises:
            NoSuchGroup: there is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            leave_group(connection, group, members)


def join_group(connection: Connection, group: str, members: Iterable[str], now: float) -> None:
    """Puts devices into a group, which is made where there is none, in a transaction.

    Args:
        now: seconds since 1970.

    Raises:
        FleetError: the name cannot be one.
        NoSuchDevice: one of them is none.
    """
    if not has_group(connection, checked_identity(group, "group")):
        connection.execute(insert(groups).values(name=group, created=now))
    _join(connection, group, members)


def leave_group(connection: Connection, group: str, members: Iterable[str]) -> None:
    """As of `Groups.remove_members`, in a transaction.

    Raises:
        NoSuchGroup: there is none.
    """
    require_group(connection, group)
    _leave(connection, group, list(members))


def remove_group(connection: Connection, group: str) -> None:
    """As of `Groups.remove`, in a transaction.

    Raises:
        NoSuchGroup: there is none.
    """
    require_group(connection, group)
    _leave(connection, group, None)
    # A later group of that name has nothing to do with them.
    ended = update(rollouts).where(rollouts.c.group_name == group)
    connection.execute(ended.values(state="superseded", note="its group was removed"))
    connection.execute(delete(groups).where(groups.c.name == group))


def _join(connection: Connection, group: str, members: Iterable[str]) -> None:
    there = set(connection.execute(select(memberships.c.device).where(memberships.c.group_name == group)).scalars())
    for device in dict.fromkeys(members):
        require_device(connection, device)
        if device not in there:
            connection.execute(insert(memberships).values(group_name=group, device=device))


def _leave(connection: Connection, group: str, members: Collection[str] | None) -> None:
    """Takes devices (None: all) out of a group; what its rollouts brought to all of it has reached each of them."""
    is_leaving = [memberships.c.group_name == group]
    if members is not None:
        is_leaving.append(memberships.c.device.in_(members))
    pairs = select(rollouts.c.id, memberships.c.device).where(
        rollouts.c.group_name == memberships.c.group_name,
        rollouts.c.state == "done",
        *is_leaving,
        ~exists().where(reached.c.rollout == rollouts.c.id, reached.c.device == memberships.c.device),
    )
    had = select(pairs.subquery(), literal(0.0), false())
    connection.execute(insert(reached).from_select(["rollout", "device", "since", "forgiven"], had))
    connection.execute(delete(memberships).where(*is_leaving))
