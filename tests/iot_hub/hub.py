"""The stand-in as a whole: both of its sides, on one loopback address of its own."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.iot_hub.devices import DeviceSide
from tests.iot_hub.service import POLICY, service_side
from tests.iot_hub.twins import HubTwin
from tests.serving.certificates import Authority, Pair
from tests.waiting import eventually

MQTT_PORT = 8883
"""Microsoft's client knows no other, so that each hub has an address of 127.0.0.0/8 for itself."""


class Hub:
    """An IoT hub on this machine.

    Args:
        address: of it, where port 8883 is free.
        pair: its certificate.

    Attributes:
        twins: by device. May be looked at, and changed while nobody else does.
        devices: its device side.
        seen: requests of services, `METHOD PATH`.
        meanwhile: called once, when the next request of this `METHOD PATH` has come and is not answered yet.
    """

    def __init__(self, address: str, pair: Pair) -> None:
        self._address = address
        self._pair = pair
        with socket.create_server((address, 0)) as taken:
            self._port = taken.getsockname()[1]
        self._key = _new_key()
        self.twins: dict[str, HubTwin] = {}
        self.devices = DeviceSide(address, self.twins)
        self.seen: list[str] = []
        self.meanwhile: tuple[str, Callable[[], None]] | None = None
        self._as_queries_know: list[dict[str, Any]] | None = None
        self._stop: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None

    @property
    def connection_string(self) -> str:
        """Of a service."""
        return f"HostName={self._address}:{self._port};SharedAccessKeyName={POLICY};SharedAccessKey={self._key}"

    def add(self, device: str) -> str:
        """Registers a device, and answers its connection string."""
        self.twins[device] = HubTwin(device, _new_key())
        return f"HostName={self._address};DeviceId={device};SharedAccessKey={self.twins[device].key}"

    def query_late(self, late: bool) -> None:
        """From now on queries know of nothing that changes after this, or know all again."""
        self._as_queries_know = self._queried() if late else None

    def start(self) -> None:
        """Answers from now on; with what it knew before, where it was stopped."""
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), daemon=True)
        self._thread.start()
        eventually(lambda: ready.is_set() or not self._thread_lives(), "the hub to listen")
        assert self._thread_lives(), "the hub did not start"

    def stop(self) -> None:
        """Answers nobody any more, and cuts all connections."""
        if self._stop is not None and self._thread is not None:
            self._stop()
            self._thread.join()
        self._stop = None

    def _asked(self, request: str) -> None:
        self.seen.append(request)
        if self.meanwhile is not None and self.meanwhile[0] == request:
            meanwhile, self.meanwhile = self.meanwhile[1], None
            meanwhile()

    def _queried(self) -> list[dict[str, Any]]:
        known = self._as_queries_know
        return [self.twins[device].document() for device in sorted(self.twins)] if known is None else known

    def _thread_lives(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    async def _serve(self, ready: threading.Event) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._pair.certificate, self._pair.key)
        app = service_side(
            f"{self._address}:{self._port}", self._key, self.twins, self.devices.tell, self._asked, self._queried
        )
        config = uvicorn.Config(
            app,
            host=self._address,
            port=self._port,
            ssl_certfile=self._pair.certificate,
            ssl_keyfile=self._pair.key,
            log_level="critical",
            lifespan="off",
        )
        server = uvicorn.Server(config)
        web = asyncio.create_task(server.serve())
        mqtt = await asyncio.start_server(self.devices.serve, self._address, MQTT_PORT, ssl=context)
        while not server.started:
            await asyncio.sleep(0.01)

        def stop() -> None:
            loop.call_soon_threadsafe(ended.set)

        self._stop = stop
        ready.set()
        await ended.wait()
        mqtt.close()
        self.devices.cut()
        # Closing a TLS connection waits for whoever is at its other end, and an idle client reads nothing.
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        server.should_exit = server.force_exit = True
        await web


@contextmanager
def running_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub whose certificate both of Microsoft's clients trust, as long as the test runs."""
    address = _free_address()
    authority = Authority(folder, "iot-hub-authority")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(authority.certificate))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.fspath(authority.certificate))
    hub = Hub(address, authority.pair("iot-hub", address))
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def _free_address() -> str:
    """An address of the loopback where nobody listens for devices."""
    for _ in range(100):
        address = f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        try:
            socket.create_server((address, MQTT_PORT)).close()
        except OSError:
            continue
        return address
    raise AssertionError("no address of 127.0.0.0/8 has port 8883 free")


def _new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()
