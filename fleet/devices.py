"""Devices, the tokens by which they are let in, and when each was last seen."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from fleet.assignments import DEFAULT_COMPONENT, LIVE, assign
from fleet.errors import DeviceTaken, StoreUnusable
from fleet.identities import checked_identity, has_device, require_device
from fleet.store.database import Database
from fleet.store.tables import devices, memberships
from fleet.twin_store import new_etag
from models.components.component import TARGETS, Target

SEEN_EVERY_SECONDS = 30.0
"""How often it is written when devices were seen."""

_MOST_AHEAD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Device:
    """A device, as it is kept.

    Attributes:
        name: its identity.
        target: of components that it runs, as it was added.
        created: seconds since 1970.
        last_seen: when it asked last, written every half minute; None: never.
        groups: that it is in, sorted.
    """

    name: str
    target: Target
    created: float
    last_seen: float | None
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What is asked of a device at each poll.

    Attributes:
        token_sha256: the digest of its token, 32 bytes.
        etag: of what it is to run.
    """

    token_sha256: bytes
    etag: str


class Devices:
    """The devices of a fleet. Any thread may use it.

    Args:
        database: that holds them.
        clock: answers seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._written = clock()

    def add(self, device: str, *, target: Target = TARGETS[0], follow: str | None = DEFAULT_COMPONENT) -> str:
        """Adds a device.

        Args:
            device: its identity: letters, digits, `.`, `_` and `-`, 128 at most, the first a letter or a digit.
            target: of components that it runs, until it reports another.
            follow: the name of the component of which it runs what is live; None: none.

        Returns:
            its token, 256 bits in 43 characters of URL-safe base64. It is told here alone: a digest of it is kept.

        Raises:
            FleetError: the name cannot be one, or `follow` cannot be a component's.
            DeviceTaken: there is a device of this name.
            StoreUnusable: the database does not answer.
        """
        checked_identity(device, "device")
        token = secrets.token_urlsafe(32)
        with self._database.changing_plans() as connection:
            if has_device(connection, device):
                raise DeviceTaken(f"there is a device {device}: choose another name, or remove that one first")
            connection.execute(
                insert(devices).values(
                    id=device,
                    token_sha256=_digest(token),
                    target=target,
                    created=self._clock(),
                    desired="[]",
                    desired_version=0,
                    etag=new_etag(),
                    reported=json.dumps({}),
                    reported_version=0,
                )
            )
            if follow is not None:
                assign(connection, follow, LIVE, device=device)
        return token

    def remove(self, device: str) -> None:
        """Takes a device away, with its token, its twin and what was assigned to it. What it runs it goes on running.

        Raises:
            NoSuchDevice: there is none.
            StoreUnusable: as of `add`.
        """
        with self._database.changing_plans() as connection:
            remove_device(connection, device)

    def renew_token(self, device: str) -> str:
        """Gives a device another token; the one before lets nobody in any more.

        Returns:
            as `add`.

        Raises:
            NoSuchDevice, StoreUnusable: as of `remove`.
        """
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            require_device(connection, device)
            connection.execute(update(devices).where(devices.c.id == device).values(token_sha256=_digest(token)))
        return token

    def heads(self, names: Collection[str]) -> dict[str, Head]:
        """What a poll needs of devices, by one query; those that there are not are left out.

        Raises:
            StoreUnusable: as of `add`.
        """
        query = select(devices.c.id, devices.c.token_sha256, devices.c.etag).where(devices.c.id.in_(names))
        with self._database.reading() as connection:
            return {row.id: Head(bytes(row.token_sha256), row.etag) for row in connection.execute(query)}

    def all(self) -> list[Device]:
        """Every device, sorted by name.

        Raises:
            StoreUnusable: as of `add`.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                select(devices.c.id, devices.c.target, devices.c.created, devices.c.last_seen).order_by(devices.c.id)
            ).all()
            members = connection.execute(select(memberships).order_by(memberships.c.group_name)).all()
        of: dict[str, list[str]] = {}
        for row in members:
            of.setdefault(row.device, []).append(row.group_name)
        return [Device(row.id, row.target, row.created, row.last_seen, tuple(of.get(row.id, ()))) for row in rows]

    def seen(self, *names: str) -> None:
        """Notes that devices asked. It is written with others' every half minute, and by `flush`.

        Raises:
            StoreUnusable: as of `add`.
        """
        now = self._clock()
        with self._lock:
            self._seen |= dict.fromkeys(names, now)
            # A clock that was set back holds nothing up.
            due = bool(self._seen) and not 0 <= now - self._written < SEEN_EVERY_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        """Writes now when devices were seen.

        Raises:
            StoreUnusable: as of `add`; what was noted is kept for the next time.
        """
        with self._lock:
            seen, self._seen = self._seen, {}
            self._written = self._clock()
        if not seen:
            return
        change = (
            update(devices)
            .where(
                devices.c.id == bindparam("device"),
                or_(
                    devices.c.last_seen.is_(None),
                    devices.c.last_seen < bindparam("moment"),
                    # Told by a clock that was wrong; clocks of several servers differ by less.
                    devices.c.last_seen > bindparam("moment") + _MOST_AHEAD_SECONDS,
                ),
            )
            .values(last_seen=bindparam("moment"))
        )
        try:
            with self._database.writing() as connection:
                # In one order everywhere, so that two servers that do it at once do not wait for each other for ever.
                connection.execute(change, [{"device": each, "moment": seen[each]} for each in sorted(seen)])
        except StoreUnusable:
            with self._lock:
                self._seen = seen | self._seen
            raise


def remove_device(connection: Connection, device: str) -> None:
    """As of `Devices.remove`, in a transaction.

    Raises:
        NoSuchDevice: there is none.
    """
    require_device(connection, device)
    connection.execute(delete(devices).where(devices.c.id == device))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
