"""A fleet: its devices, what they are to run, and what they say that they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fleet.assignments import Assignments
from fleet.devices import Device, Devices
from fleet.groups import Groups
from fleet.releases import Releases
from fleet.rolling import Rolling, targets_of
from fleet.rollout_records import Rollouts
from fleet.settings import Settings
from fleet.store.database import Database
from fleet.twin_store import SqlTwins, TwinStore
from models.components.component import Target
from models.components.twin import Twin


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device and all that is known of it.

    Attributes:
        device: as it is kept.
        assigned: the version (`X.Y.Z`, `live` or `nothing`) of each component assigned to it or to a group of it.
        twin: what it is to run, and what it says.
    """

    device: Device
    assigned: dict[str, str]
    twin: Twin


class Fleet:
    """A fleet in its database. Any thread may use it, and several processes may have the same database open.

    Args:
        address: `sqlite:///fleet.db`, a path `fleet.db`, or `postgresql://USER:PASSWORD@HOST/NAME`. What is not
            there is made, and one of an earlier version becomes one of this.
        twins: where twins are kept instead of in the database; made from the database.
        clock: answers seconds since 1970.

    Attributes:
        devices: they, their tokens, and when they were seen.
        groups: of devices.
        releases: what may come to devices.
        assignments: who follows what, or is pinned to it.
        settings: how it is served.
        rollouts: how releases come to those that follow.
        twins: what each device is to run, and what it says.

    Raises:
        StoreUnusable: the database cannot be opened, or is of a newer version; one line, without a password.
    """

    def __init__(
        self,
        address: str,
        twins: Callable[[Database], TwinStore] = SqlTwins,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(address)
        self._clock = clock
        self.twins = twins(self._database)
        self.devices = Devices(self._database, clock)
        self.groups = Groups(self._database, clock)
        self.releases = Releases(self._database)
        self.assignments = Assignments(self._database)
        self.settings = Settings(self._database)
        self.rollouts = Rollouts(self._database, self.twins, clock)
        self._rolling = Rolling(self._database, self.twins)
        self._advancing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Writes when devices were seen, and gives the database back.

        Raises:
            StoreUnusable: the database does not answer.
        """
        try:
            self.devices.flush()
        finally:
            self._database.close()

    def advance(self, now: float | None = None) -> int:
        """Takes rollouts on and writes into twins what they are to hold. Cheap: call it each second.

        Two servers may do it at once, and whoever is interrupted does no harm: the next call does the rest.

        Args:
            now: seconds since 1970; None: as the clock says.

        Returns:
            how many twins were written.

        Raises:
            StoreUnusable: the database or the store of twins does not answer.
        """
        with self._advancing:
            written = self._rolling.advance(self._clock() if now is None else now)
            return written + len(self.twins.renew())

    def targets(self) -> set[Target]:
        """The targets that devices have: as each reports, else as it was added. A release is made for each of them.

        Raises:
            StoreUnusable: as of `advance`.
        """
        return set(targets_of(self._database, self.twins).values())

    def status(self) -> list[DeviceStatus]:
        """Every device and all that is known of it, sorted by name.

        Raises:
            StoreUnusable: as of `advance`.
        """
        assigned = self.assignments.effective()
        twins = {twin.device: twin for twin in self.twins.devices()}
        return [
            DeviceStatus(device, assigned.get(device.name, {}), twins.get(device.name, Twin(device.name)))
            for device in self.devices.all()
        ]
