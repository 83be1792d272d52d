"""Where twins are kept: a small interface, and its implementation in the fleet's own database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, replace
from typing import Protocol

from sqlalchemy import RowMapping, select, update

from fleet.errors import TwinChanged, TwinRefused
from fleet.identities import is_identity, no_such_device, require_device
from fleet.store.database import Database
from fleet.store.tables import devices
from models.components.twin import MOST_MODELS, MOST_TWIN_BYTES, DesiredModel, Reported, Twin

_TRIES = 20
_MOST_DESIRED = MOST_TWIN_BYTES * 5 // 8
"""Of JSON in ASCII; the rest is for the addresses and for what the device reports."""


class TwinStore(Protocol):
    """Where twins are kept. May be called by several threads at once."""

    def read(self, device: str) -> Twin:
        """The twin of a device, with `url` of each model empty.

        Raises:
            NoSuchDevice: there is none of this name.
            StoreUnusable: the store does not answer.
        """

    def write_desired(self, device: str, models: tuple[DesiredModel, ...], etag: str) -> Twin:
        """Writes all that a device is to run, if nobody did since the twin was read.

        Args:
            models: all of them; addresses are left out of what is kept.
            etag: of the twin that was read.

        Returns:
            the twin as it is now: another etag, and a version greater by one.

        Raises:
            TwinChanged: its etag is another one; nothing is written.
            TwinRefused: the store does not keep so much of one device; nothing is written.
            NoSuchDevice, StoreUnusable: as of `read`.
        """

    def write_reported(self, device: str, reported: Reported) -> None:
        """Writes all that a device says of itself, in the place of what it said before; its `version` is counted here.

        Raises:
            NoSuchDevice, StoreUnusable: as of `read`.
        """

    def devices(self) -> Iterator[Twin]:
        """Every twin that there is, sorted by device, as of `read`.

        Raises:
            StoreUnusable: as of `read`.
        """

    def renew(self) -> Collection[str]:
        """Writes living addresses for devices that found theirs dead, where a store hands addresses out. Cheap: call it
        each second.

        Returns:
            the devices that were written to.

        Raises:
            StoreUnusable: as of `read`, or no address can be made.
        """


def change_desired(store: TwinStore, device: str, change: Callable[[Twin], tuple[DesiredModel, ...]]) -> Twin:
    """Reads a twin, changes what is desired and writes it; again, where somebody else was faster.

    Args:
        change: answers all that is to be desired; it is asked again for each try. Where that is what there is,
            nothing is written.

    Returns:
        the twin as it is now.

    Raises:
        TwinChanged: twenty times somebody else was faster.
        NoSuchDevice, StoreUnusable: as of `TwinStore.read`.
    """
    for _ in range(_TRIES):
        twin = store.read(device)
        models = tuple(each.without_url() for each in change(twin))
        if models == twin.models:
            return twin
        try:
            return store.write_desired(device, models, twin.etag)
        except TwinChanged:
            continue
    raise TwinChanged(f"what {device} is to run is changed by others all the time; try again")


def write_model(store: TwinStore, device: str, model: DesiredModel) -> Twin:
    """Has a device run a component in the place of that of its name; others and their order stay as they are.

    Returns, raises:
        as `change_desired`.
    """
    return change_desired(store, device, lambda twin: twin.with_model(model))


def remove_model(store: TwinStore, device: str, name: str) -> Twin:
    """Has a device run no component of a name any more; others and their order stay as they are.

    Returns, raises:
        as `change_desired`.
    """
    return change_desired(store, device, lambda twin: tuple(each for each in twin.models if each.name != name))


_TWIN = (
    devices.c.id,
    devices.c.desired,
    devices.c.desired_version,
    devices.c.etag,
    devices.c.reported,
    devices.c.reported_version,
)
_READ = select(*_TWIN)


class SqlTwins:
    """Twins in the fleet's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, device: str) -> Twin:
        """As of `TwinStore`: one query by the table's key."""
        if not is_identity(device):
            raise no_such_device(device)
        with self._database.reading() as connection:
            row = connection.execute(_READ.where(devices.c.id == device)).mappings().one_or_none()
        if row is None:
            raise no_such_device(device)
        return _twin(row)

    def write_desired(self, device: str, models: tuple[DesiredModel, ...], etag: str) -> Twin:
        """As of `TwinStore`."""
        if not is_identity(device):
            raise no_such_device(device)
        text = _models_text(models)
        if len(models) > MOST_MODELS or len(text) > _MOST_DESIRED:
            raise TwinRefused(
                f"{device} would be to run more than a twin holds, {MOST_MODELS} components and {_MOST_DESIRED:,} "
                "bytes with their signatures: assign less to it"
            )
        change = (
            update(devices)
            .where(devices.c.id == device, devices.c.etag == etag)
            .values(desired=text, desired_version=devices.c.desired_version + 1, etag=new_etag())
            .returning(*_TWIN)
        )
        with self._database.writing() as connection:
            row = connection.execute(change).mappings().one_or_none()
            if row is None:
                require_device(connection, device)
                raise TwinChanged(f"the twin of {device} was changed since it was read")
            return _twin(row)

    def write_reported(self, device: str, reported: Reported) -> None:
        """As of `TwinStore`."""
        if not is_identity(device):
            raise no_such_device(device)
        text = json.dumps(replace(reported, version=0).to_json())
        change = (
            update(devices)
            .where(devices.c.id == device)
            .values(reported=text, reported_version=devices.c.reported_version + 1)
        )
        with self._database.writing() as connection:
            if connection.execute(change).rowcount == 0:
                raise no_such_device(device)

    def devices(self) -> Iterator[Twin]:
        """As of `TwinStore`: one query."""
        with self._database.reading() as connection:
            rows = connection.execute(_READ.order_by(devices.c.id)).mappings().all()
        return map(_twin, rows)

    def renew(self) -> Collection[str]:
        """As of `TwinStore`: nobody. The server makes addresses for whoever asks it."""
        return ()


def new_etag() -> str:
    """Another one each time: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def _models_text(models: tuple[DesiredModel, ...]) -> str:
    return json.dumps([asdict(each.without_url()) for each in models])


def _twin(row: RowMapping) -> Twin:
    return Twin(
        device=row["id"],
        models=tuple(DesiredModel(**each) for each in json.loads(row["desired"])),
        version=row["desired_version"],
        etag=row["etag"],
        reported=replace(Reported.from_json(json.loads(row["reported"])), version=row["reported_version"]),
    )
