"""A device's twin in an Azure IoT hub, over MQTT by Microsoft's own client.

One connection is kept. The hub tells over it when something else is desired, so that a look at what has not changed
asks nobody and costs no message of the hub's quota.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from edge.connections import AddressRefused
from edge.twin_source import TwinTrouble, TwinUnavailable
from models.components.hub_twin import EXPIRED, TwinTooLarge, reported_properties, twin_of
from models.components.twin import Reported, Twin, TwinMalformed
from models.errors import one_line
from models.storage.local import read_start
from models.version import VERSION

_ANSWER_SECONDS = 60.0
_END_SECONDS = 10.0
_PARTS = ("HostName", "DeviceId", "SharedAccessKey")
_MOST_TOKEN_BYTES = 4096
_EXPECTED = "HostName=NAME.azure-devices.net;DeviceId=DEVICE;SharedAccessKey=KEY"

Answer = TypeVar("Answer")


class AzureTwin:
    """A `TwinSource` on an IoT hub. One thread uses it.

    Its etag is made of what is desired: a device hears no other. The connection string is read anew for each
    connection.

    Args:
        device: its identity in the hub.
        token_file: holds the device's own connection string, on one line.
        seconds: how long the hub may take for one answer, and a fleet for other addresses.

    Raises:
        AddressRefused: Microsoft's client is not installed.
    """

    def __init__(self, device: str, token_file: Path, seconds: float = _ANSWER_SECONDS) -> None:
        try:
            from azure.iot.device import IoTHubDeviceClient
        except ImportError as error:
            raise AddressRefused(
                f"the twin of an IoT hub needs the extra `azure`: pip install 'hotswap-edge[azure]' ({one_line(error)})"
            ) from error
        self._client_of = IoTHubDeviceClient.create_from_connection_string
        self._device = device
        self._token_file = token_file
        self._seconds = seconds
        self._client: Any = None
        self._read: Twin | None = None
        self._handed_out = self._asked_for = ""
        self._changed = threading.Event()
        # Its threads log what is told here as TwinUnavailable; where nobody handles logs, that would go to stderr.
        for name in ("azure.iot.device", "paho"):
            logging.getLogger(name).addHandler(logging.NullHandler())

    def read(self, etag: str | None) -> Twin | None:
        """See `TwinSource.read`. Where the hub has told of no change, nobody is asked.

        Whoever reads the same again without an etag has found its addresses dead. The fleet is asked for others then,
        once, and waited for.
        """
        twin = self._told()
        if etag is None and twin.models and twin.etag == self._handed_out:
            twin = self._with_other_addresses(twin)
        if twin.etag == etag:
            return None
        self._handed_out = twin.etag
        return twin

    def report(self, reported: Reported) -> None:
        """See `TwinSource.report`."""
        try:
            properties = reported_properties(reported, self._read.version if self._read else 0)
        except TwinTooLarge as error:
            raise TwinUnavailable(TwinTrouble.MALFORMED, str(error)) from error
        self._ask(lambda client: client.patch_twin_reported_properties(properties))
        if self._read is not None:
            self._read = replace(self._read, reported=reported)

    def close(self) -> None:
        """See `TwinSource.close`."""
        client, self._client = self._client, None
        self._changed.set()  # nobody tells of changes until there is another connection
        if client is not None:
            try:
                _within(_END_SECONDS, client.shutdown)
            except Exception:
                logging.getLogger(__name__).debug("a client of an IoT hub does not end", exc_info=True)

    def _told(self) -> Twin:
        """The twin, as the hub has it."""
        listens = self._client is not None and self._client.connected and not self._changed.is_set()
        if listens and self._read is not None:
            return self._read
        self._changed.clear()
        properties = self._ask(lambda client: client.get_twin())
        try:
            self._read = twin_of(self._device, properties)
        except TwinMalformed as error:
            self._changed.set()
            raise TwinUnavailable(
                TwinTrouble.MALFORMED, f"what the IoT hub desires of {self._device}: {error}"
            ) from error
        return self._read

    def _with_other_addresses(self, dead: Twin) -> Twin:
        """The twin once a fleet wrote other addresses into it; as it is, where none does in time."""
        if self._asked_for == dead.etag:
            return dead
        self._ask(lambda client: client.patch_twin_reported_properties({EXPIRED: dead.version}))
        self._asked_for = dead.etag
        until = time.monotonic() + self._seconds
        while (left := until - time.monotonic()) > 0 and self._changed.wait(left):
            if (twin := self._told()).etag != dead.etag:
                return twin
        return dead

    def _ask(self, ask: Callable[[Any], Answer]) -> Answer:
        """What the hub answers; the connection is made where there is none, and given up where there is no answer."""
        if self._client is None:
            self._client = self._new_client()
        client = self._client
        try:
            return _within(self._seconds, lambda: ask(self._listening(client)))
        except Exception as error:  # its client raises what its pipeline does, too
            self.close()
            raise self._no(error) from error

    def _no(self, error: Exception) -> TwinUnavailable:
        from azure.iot.device.exceptions import CredentialError

        if isinstance(error, CredentialError):
            return TwinUnavailable(
                TwinTrouble.DENIED,
                f"the IoT hub refuses the key in {self._token_file}: is it that of {self._device}, is the device "
                "enabled, and is the clock right?",
            )
        reason = f"nothing came within {self._seconds:.0f} s" if isinstance(error, TimeoutError) else _why(error)
        return TwinUnavailable(TwinTrouble.UNREACHABLE, f"the IoT hub does not answer: {reason}")

    def _listening(self, client: Any) -> Any:
        """The client once it is connected and hears of changes, so that none is missed between this and a read."""
        if not client.connected:
            client.connect()
        if client.on_twin_desired_properties_patch_received is None:
            client.on_connection_state_change = self._changed.set
            client.on_twin_desired_properties_patch_received = lambda _: self._changed.set()
        return client

    def _new_client(self) -> Any:
        text = self._connection_string()
        try:
            return self._client_of(
                text,
                connection_retry=False,  # whoever polls tries again
                ensure_desired_properties=False,  # all is read anew after each break
                product_info=f"hotswap-edge/{VERSION}",
            )
        except Exception:  # whatever its parsers raise; their texts may hold the key
            raise TwinUnavailable(
                TwinTrouble.DENIED,
                f"the connection string in {self._token_file} cannot be read; {_EXPECTED} is expected",
            ) from None

    def _connection_string(self) -> str:
        try:
            text = read_start(self._token_file, _MOST_TOKEN_BYTES).decode("ascii").strip()
        except (OSError, ValueError) as error:
            raise TwinUnavailable(
                TwinTrouble.DENIED, f"the connection string cannot be read: {self._token_file}: {_why(error)}"
            ) from error
        parts = dict(part.partition("=")[::2] for part in text.split(";"))
        if not all(map(parts.get, _PARTS)):
            raise TwinUnavailable(
                TwinTrouble.DENIED,
                f"{self._token_file} holds no connection string of a device; {_EXPECTED} is expected",
            )
        if parts["DeviceId"] != self._device:
            raise TwinUnavailable(
                TwinTrouble.DENIED,
                f"{self._token_file} is of the device {ascii(parts['DeviceId'])[:140]}, not of {self._device}",
            )
        return text


def _within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """What a call answers. Microsoft's client waits without an end where a hub takes a request and never answers it.

    Raises:
        TimeoutError: it takes longer; its thread is left behind.
    """
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True, name="iot-hub").start()
    return answer.result(seconds)


def _why(error: BaseException) -> str:
    """What lies at the ground of it: its client wraps it several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(getattr(error, "strerror", None) or error)
