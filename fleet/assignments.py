"""Who is to run what: a device or a group follows a component, is pinned to a version, or is to run none of that name.

What a device itself is told holds before what its groups are told; of several groups, what was said last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, select

from fleet.errors import FleetError
from fleet.identities import require_device, require_group
from fleet.releases import no_such_release
from fleet.store.database import Database
from fleet.store.tables import assignments, memberships, offered, releases
from models.components.component import checked_component_name, checked_version
from models.components.twin import MOST_MODELS

DEFAULT_COMPONENT = "model"
"""The name of the component that a device follows and that a server makes of models, unless told otherwise."""
LIVE = "live"
"""The version of an assignment that follows rollouts."""
NOTHING = "nothing"
"""The version of an assignment by which a device is to run no component of that name."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a device or a group is to run.

    Attributes:
        id: grows with each that is made.
        device: that it is for; None where it is for a group.
        group: that it is for; None where it is for a device.
        name: of the component.
        version: `X.Y.Z`; `live`, which follows rollouts; or `nothing`.
    """

    id: int
    device: str | None
    group: str | None
    name: str
    version: str


class Assignments:
    """The assignments of a fleet. Any thread may use it. They come to devices by `Fleet.advance`.

    Args:
        database: that holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def assign(self, name: str, version: str = LIVE, *, device: str | None = None, group: str | None = None) -> None:
        """Assigns a component to a device or to a group, in the place of what was assigned of that name.

        Args:
            name: of the component.
            version: as of `Assignment`. One that is pinned comes to all of them at once, without a rollout.
            device, group: one of them.

        Raises:
            NoSuchDevice, NoSuchGroup: there is none.
            NoSuchRelease: there is no release of this version.
            FleetError: name or version cannot be one.
            StoreUnusable: the database does not answer.
        """
        self._require_one(device, group)
        with self._database.changing_plans() as connection:
            assign(connection, name, version, device=device, group=group)

    def withdraw(self, name: str, *, device: str | None = None, group: str | None = None) -> bool:
        """Takes an assignment back. What a device runs by it stays, unless another assignment says otherwise.

        Returns:
            whether there was one.

        Raises:
            NoSuchDevice, NoSuchGroup, StoreUnusable: as of `assign`.
        """
        self._require_one(device, group)
        with self._database.changing_plans() as connection:
            return withdraw(connection, name, device=device, group=group)

    def follow_along(self, leading: str, others: Sequence[str]) -> tuple[str, ...]:
        """Has those that follow a component follow others too, once: whoever was told anything of one of them, also
        that nothing is assigned of it any more, is left alone.

        Args:
            leading: the name that they follow.
            others: names, in the order of what matters most.

        Returns:
            those of them that a fleet has no place for any more.

        Raises:
            FleetError: a name cannot be one.
            StoreUnusable: as of `assign`.
        """
        with self._database.reading() as connection:
            places, left_out = _places(connection, others)
            if not _lacking(connection, leading, places):
                return left_out
        with self._database.changing_plans() as connection:
            places, left_out = _places(connection, others)
            for device, name in _lacking(connection, leading, places):
                assign(connection, name, LIVE, device=device)
                connection.execute(insert(offered).values(device=device, name=name))
        return left_out

    def all(self) -> list[Assignment]:
        """Every assignment, the one that was made last at the end.

        Raises:
            StoreUnusable: as of `assign`.
        """
        with self._database.reading() as connection:
            return all_assignments(connection)

    def effective(self) -> dict[str, dict[str, str]]:
        """For each device the version (as of `Assignment`) of each component assigned to it or to a group of it.

        Raises:
            StoreUnusable: as of `assign`.
        """
        with self._database.reading() as connection:
            return effective_assignments(connection)

    @staticmethod
    def _require_one(device: str | None, group: str | None) -> None:
        if (device is None) == (group is None):
            raise FleetError("name a device or a group, one of them")


def assign(
    connection: Connection, name: str, version: str, *, device: str | None = None, group: str | None = None
) -> None:
    """As of `Assignments.assign`, in a transaction.

    Raises:
        NoSuchDevice, NoSuchGroup, NoSuchRelease, FleetError: as of `Assignments.assign`.
    """
    _require(connection, device, group)
    pinned = version not in (LIVE, NOTHING)
    try:
        checked_component_name(name)
        if pinned:
            checked_version(version)
    except ValueError as error:
        raise FleetError(str(error)) from error
    if pinned:
        recorded = select(releases.c.name).where(releases.c.name == name, releases.c.version == version).limit(1)
        if connection.execute(recorded).one_or_none() is None:
            raise no_such_release(name, version)
    names = set(connection.execute(select(assignments.c.name).distinct()).scalars())
    if len(names | {name}) > MOST_MODELS:
        raise FleetError(f"a fleet has {MOST_MODELS} components at most, as a device's twin has")
    connection.execute(delete(assignments).where(*_key(name, device, group)))
    connection.execute(insert(assignments).values(device=device, group_name=group, name=name, version=version))


def withdraw(connection: Connection, name: str, *, device: str | None = None, group: str | None = None) -> bool:
    """As of `Assignments.withdraw`, in a transaction.

    Raises:
        NoSuchDevice, NoSuchGroup: as of `Assignments.withdraw`.
    """
    _require(connection, device, group)
    query = select(memberships.c.device).where(memberships.c.group_name == group)
    told = [device] if device is not None else list(connection.execute(query).scalars())
    for each in set(told) - set(connection.execute(select(offered.c.device).where(offered.c.name == name)).scalars()):
        connection.execute(insert(offered).values(device=each, name=name))
    return connection.execute(delete(assignments).where(*_key(name, device, group))).rowcount > 0


def all_assignments(connection: Connection) -> list[Assignment]:
    """Every assignment, in a transaction; the one that was made last at the end."""
    return [_assignment(row) for row in connection.execute(select(assignments).order_by(assignments.c.id))]


def effective_assignments(connection: Connection) -> dict[str, dict[str, str]]:
    """As of `Assignments.effective`, in a transaction."""
    by_group = (
        select(memberships.c.device, assignments.c.name, assignments.c.version)
        .join(assignments, and_(assignments.c.group_name == memberships.c.group_name))
        .order_by(assignments.c.id)
    )
    own = select(assignments.c.device, assignments.c.name, assignments.c.version).where(
        assignments.c.device.is_not(None)
    )
    found: dict[str, dict[str, str]] = {}
    for query in (by_group, own):
        for device, name, version in connection.execute(query):
            found.setdefault(device, {})[name] = version
    return found


def _require(connection: Connection, device: str | None, group: str | None) -> None:
    if group is not None:
        require_group(connection, group)
    if device is not None:
        require_device(connection, device)


def _places(connection: Connection, names: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The names that there is a place for among those of a fleet, and the others."""
    known = set(connection.execute(select(assignments.c.name).distinct()).scalars())
    new = [each for each in dict.fromkeys(names) if each not in known]
    left_out = tuple(new[max(0, MOST_MODELS - len(known)) :])
    return [each for each in dict.fromkeys(names) if each not in left_out], left_out


def _lacking(connection: Connection, leading: str, names: Sequence[str]) -> list[tuple[str, str]]:
    """Devices that follow `leading` and were told nothing of one of the names, with the name."""
    were_told = {(row.device, row.name) for row in connection.execute(select(offered))}
    return [
        (device, name)
        for device, assigned in effective_assignments(connection).items()
        if assigned.get(leading) == LIVE
        for name in names
        if name not in assigned and (device, name) not in were_told
    ]


def _key(name: str, device: str | None, group: str | None) -> Iterable[Any]:
    subject = assignments.c.group_name == group if device is None else assignments.c.device == device
    return (assignments.c.name == name, subject)


def _assignment(row: Row[Any]) -> Assignment:
    return Assignment(row.id, row.device, row.group_name, row.name, row.version)
