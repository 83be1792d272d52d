"""A fleet: its devices, what they are to run, and what they say that they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from fleet.assignments import Assignments, assign, withdraw
from fleet.devices import Device, Devices, remove_device
from fleet.groups import Groups, join_group, leave_group, remove_group
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


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is to be of devices and groups, all at once.

    Attributes:
        devices, groups: whom versions are assigned to.
        versions: by the name of the component, as of `Assignment`; None: what was assigned of it is withdrawn.
        join: groups that the devices come into, made where there are none.
        leave: groups that the devices leave.
    """

    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    versions: Mapping[str, str | None] = field(default_factory=dict)
    join: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()


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

    def remove(self, devices: Iterable[str] = (), groups: Iterable[str] = ()) -> None:
        """Takes devices and groups away, as `Devices.remove` and `Groups.remove`: all of them, or none where this raises.

        Raises:
            NoSuchDevice, NoSuchGroup: one is not there.
            StoreUnusable: as of `advance`.
        """
        with self._database.changing_plans() as connection:
            for device in devices:
                remove_device(connection, device)
            for group in groups:
                remove_group(connection, group)

    def arrange(self, arrangement: Arrangement) -> None:
        """Assigns, and puts devices into groups and out of them: all of it, or nothing where this raises.

        Raises:
            NoSuchDevice, NoSuchGroup: one is not there.
            NoSuchRelease, FleetError: as of `Assignments.assign`, or a group to join cannot have its name.
            StoreUnusable: as of `advance`.
        """
        of = arrangement
        with self._database.changing_plans() as connection:
            for subject in [{"device": each} for each in of.devices] + [{"group": each} for each in of.groups]:
                for name, version in of.versions.items():
                    if version is None:
                        withdraw(connection, name, **subject)
                    else:
                        assign(connection, name, version, **subject)
            for group in of.join:
                join_group(connection, group, of.devices, self._clock())
            for group in of.leave:
                leave_group(connection, group, of.devices)

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
