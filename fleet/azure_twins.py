"""Device twins kept by an Azure IoT hub: what a fleet desires is written there, and what devices report is read there.

A device speaks with its hub alone, so that addresses are written along. They die within the hour; where a device finds
them dead it says so in what it reports, and `AzureTwins.renew` writes others. A hub answers few queries a minute, and
those a little late: what they told is kept for a while, and what was written since is known better.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleet.errors import NoSuchDevice, StoreUnusable, TwinChanged, TwinRefused
from models.components.hub_twin import EXPIRED, TwinTooLarge, asks_for_addresses, desired_properties, twin_of
from models.components.twin import DesiredModel, Reported, Twin, TwinMalformed
from models.errors import one_line

CONNECTION_STRING_VARIABLE = "IOTHUB_CONNECTION_STRING"
QUERY_SECONDS = 6.0
"""Between two queries for all twins, for each hundred of them; three times that between two for devices that ask for
addresses. Azure takes 20 queries a minute for each unit of its smallest hubs."""
_TIMEOUT_SECONDS = 20
_PAGE = 100
_LATE_SECONDS = 60.0
_TRIES = 20
_ALL = "SELECT * FROM devices"
_ASKING = f"{_ALL} WHERE is_defined(properties.reported.{EXPIRED})"

_WHERE = f"azure (the connection string is in {CONNECTION_STRING_VARIABLE}) or azure:FILE (it is in a file)"


def open_twins(where: str, address: Callable[[DesiredModel], str]) -> AzureTwins:
    """The twins of an IoT hub.

    Args:
        where: `azure`, with the connection string in the environment variable `IOTHUB_CONNECTION_STRING`, or
            `azure:FILE`.
        address: as of `AzureTwins`.

    Raises:
        StoreUnusable: there is no such place, no connection string, or no client for IoT hubs is installed.
    """
    scheme, _, file = where.partition(":")
    if scheme != "azure":
        raise StoreUnusable(f"{ascii(where)[:100]} keeps no twins; {_WHERE} does")
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise StoreUnusable(f"the connection string cannot be read: {one_line(error)}") from error
        return AzureTwins(text.strip(), address)
    if not (text := os.environ.get(CONNECTION_STRING_VARIABLE, "").strip()):
        raise StoreUnusable(f"{CONNECTION_STRING_VARIABLE} is not set; twins are kept by {_WHERE}")
    return AzureTwins(text, address)


class AzureTwins:
    """Device twins in an IoT hub: a `fleet.twin_store.TwinStore`. May be called by several threads at once.

    The etag of a twin is made of what is desired, so that what a device reports in between does not make a write fail.
    The hub itself compares too, by its own etag, which is read just before.

    Args:
        connection_string: of a policy with the permission `ServiceConnect`; that which Azure calls `service` has it.
        address: answers where a device may read a component for the next hour, "" where nobody knows; raises
            `StoreUnusable`.
        query_seconds: see `QUERY_SECONDS`.

    Raises:
        StoreUnusable: it is no connection string, or no client for IoT hubs is installed.
    """

    def __init__(
        self, connection_string: str, address: Callable[[DesiredModel], str], query_seconds: float = QUERY_SECONDS
    ) -> None:
        try:
            from azure.iot.hub import IoTHubRegistryManager
        except ImportError as error:
            raise StoreUnusable(
                "twins of an IoT hub need the extra `azure`: pip install 'hotswap-inference[azure]' "
                f"({one_line(error)})"
            ) from error
        try:
            self._manager = IoTHubRegistryManager.from_connection_string(connection_string)
        except Exception:  # whatever its parsers raise; their texts may hold the key
            raise StoreUnusable(
                "the connection string is none of an IoT hub; "
                "HostName=NAME.azure-devices.net;SharedAccessKeyName=POLICY;SharedAccessKey=KEY is expected"
            ) from None
        self._manager.protocol.config.connection.timeout = _TIMEOUT_SECONDS
        self._address = address
        self._query_seconds = query_seconds
        self._looking, self._renewing = threading.Lock(), threading.Lock()
        self._look_at = self._renew_at = 0.0
        self._found: list[Twin] | StoreUnusable = []
        self._written: dict[str, tuple[float, Twin]] = {}

    def read(self, device: str) -> Twin:
        """As of `TwinStore`."""
        with _told(device):
            return _twin(self._manager.get_twin(device))

    def write_desired(self, device: str, models: tuple[DesiredModel, ...], etag: str) -> Twin:
        """As of `TwinStore`; with addresses that live for the next hour. What others desire of the device is kept.

        Raises:
            TwinRefused: a hub would not keep it; nothing is sent.
            TwinChanged, NoSuchDevice, StoreUnusable: as of `TwinStore`.
        """
        from azure.iot.hub.models import Twin as HubTwin
        from azure.iot.hub.models import TwinProperties

        told = [replace(each, url=self._address(each)) for each in models]
        for _ in range(_TRIES):
            with _told(device):
                there = self._manager.get_twin(device)
            if _twin(there).etag != etag:
                break
            try:
                desired = desired_properties(told, there.properties.desired)
            except TwinTooLarge as error:
                raise TwinRefused(f"{ascii(device)[:140]}: {error}") from error
            try:
                with _told(device):
                    change = HubTwin(properties=TwinProperties(desired=desired))
                    written = _twin(self._manager.update_twin(device, change, there.etag))
            except TwinChanged:
                continue  # perhaps by a tag, or by what the device reports: what is desired tells
            self._written[device] = (time.monotonic(), written)
            return written
        raise TwinChanged(f"the twin of {device} was changed since it was read")

    def write_reported(self, device: str, reported: Reported) -> None:
        """A hub takes what a device reports from the device alone.

        Raises:
            StoreUnusable: always.
        """
        raise StoreUnusable("devices of an IoT hub report to it themselves: hotswap-edge agent --server azure-iot:")

    def devices(self) -> Iterator[Twin]:
        """As of `TwinStore`, as queries told it within the last `QUERY_SECONDS`.

        Twins in which others desire `models` of another shape are left out.
        """
        with self._looking:
            if time.monotonic() >= self._look_at:
                pages = 1
                try:
                    twins = self._query(_ALL)
                    pages += len(twins) // _PAGE
                    self._found = sorted(_readable(twins), key=lambda each: each.device)
                except StoreUnusable as error:
                    self._found = error
                self._look_at = time.monotonic() + self._query_seconds * pages
            found = self._found
        if isinstance(found, StoreUnusable):
            raise found
        return map(self._newest, found)

    def news(self) -> object:
        """As of `TwinStore`: whenever the hub is to be asked again, whatever devices do."""
        return max(self._look_at, time.monotonic())

    def renew(self) -> list[str]:
        """Writes living addresses for each device that found those dead that it was told last.

        Cheap: call it each second.

        Returns:
            the devices that were written to.

        Raises:
            StoreUnusable: the hub does not answer, or no address can be made.
        """
        with self._renewing:
            if time.monotonic() < self._renew_at:
                return []
            self._renew_at = time.monotonic() + 3 * self._query_seconds
            asking = [each for each in self._query(_ASKING) if asks_for_addresses(_properties(each))]
            return [twin.device for twin in _readable(asking) if self._is_renewed(twin)]

    def _is_renewed(self, twin: Twin) -> bool:
        try:
            self.write_desired(twin.device, twin.models, twin.etag)
        except (TwinChanged, NoSuchDevice, TwinRefused):
            return False  # it was told others meanwhile, is gone, or cannot be told by anybody
        return True

    def _newest(self, twin: Twin) -> Twin:
        """A twin that a query told, with what was written here since the hub had it so."""
        when, written = self._written.get(twin.device, (0.0, twin))
        is_late = twin.version < written.version and time.monotonic() - when < _LATE_SECONDS
        return replace(written, reported=twin.reported) if is_late else twin

    def _query(self, text: str) -> list[Any]:
        from azure.iot.hub.models import QuerySpecification

        found: list[Any] = []
        token = None
        while True:
            with _told("devices"):
                page = self._manager.query_iot_hub(QuerySpecification(query=text), token, str(_PAGE))
            found += page.items or []
            token = page.continuation_token
            if not token:
                return found


@contextmanager
def _told(device: str) -> Iterator[None]:
    """The errors of a hub's client as those of a fleet."""
    from msrest.exceptions import ClientException, HttpOperationError

    try:
        yield
    except HttpOperationError as error:
        status = error.response.status_code
        if status == 404:
            raise NoSuchDevice(f"the IoT hub has no device {ascii(device)[:140]}; register it there") from error
        if status == 412:
            raise TwinChanged(f"the twin of {device} was changed since it was read") from error
        if status in (401, 403):
            raise StoreUnusable(
                f"the IoT hub refuses the connection string ({status}): is its key still valid, does its policy have "
                "ServiceConnect, and is the clock right?"
            ) from error
        if status == 429:
            raise StoreUnusable("the IoT hub is asked more than its size allows (429); try again later") from error
        raise StoreUnusable(f"the IoT hub refuses ({status}): {one_line(error.response.text)}") from error
    except ClientException as error:
        raise StoreUnusable(f"the IoT hub does not answer: {one_line(error)}") from error


def _readable(twins: Iterable[Any]) -> Iterator[Twin]:
    for twin in twins:
        with suppress(StoreUnusable):
            yield _twin(twin)


def _properties(twin: Any) -> dict[str, Any]:
    return {"desired": twin.properties.desired, "reported": twin.properties.reported}


def _twin(twin: Any) -> Twin:
    try:
        read = twin_of(twin.device_id, _properties(twin))
    except TwinMalformed as error:
        raise StoreUnusable(
            f"what the IoT hub desires of {ascii(twin.device_id)[:140]} is none of this project: {error}"
        ) from error
    return replace(read, models=tuple(each.without_url() for each in read.models))
