"""What a hub answers to devices, over MQTT."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.iot_hub.packets import (
    Kind,
    Packet,
    connect_of,
    message,
    numbered,
    packet,
    publish_of,
    read_packet,
    topics_of,
)
from tests.iot_hub.tokens import TokenRefused, check_token
from tests.iot_hub.twins import HubTwin, PatchRefused

ANSWERS = "$iothub/twin/res/#"
CHANGES = "$iothub/twin/PATCH/properties/desired/#"
_GET = "$iothub/twin/GET/"
_REPORT = "$iothub/twin/PATCH/properties/reported/"
_ACCEPTED, _NOT_AUTHORIZED = 0, 5


class DeviceSide:
    """Serves devices on one event loop.

    Args:
        host: of the hub, as devices know it.
        twins: by device.

    Attributes:
        connections: how many there were.
        asked: the topics of requests, in their order.
        silent: whether requests are taken and not answered.
    """

    def __init__(self, host: str, twins: dict[str, HubTwin]) -> None:
        self._host = host
        self._twins = twins
        self._subscriptions: dict[str, set[str]] = {}
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self.connections = 0
        self.asked: list[str] = []
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        device = None
        try:
            if (device := self._connected(await read_packet(reader), writer)) is not None:
                while self._answered(device, await read_packet(reader), writer):
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError, asyncio.CancelledError):
            pass  # whoever breaks the protocol, or is gone, has lost the connection
        finally:
            if device is not None and self._writers.get(device) is writer:
                del self._writers[device]
            with contextlib.suppress(ConnectionError, RuntimeError):
                writer.close()

    def tell(self, device: str, patch: dict[str, Any], version: int) -> None:
        """Tells a device that is connected and has asked for it what else is desired."""
        writer = self._writers.get(device)
        if writer is not None and CHANGES in self._subscriptions[device]:
            body = json.dumps({**patch, "$version": version}).encode()
            writer.write(message(f"$iothub/twin/PATCH/properties/desired/?$version={version}", body))

    def cut(self) -> None:
        """Ends all connections."""
        for writer in list(self._writers.values()):
            writer.transport.abort()

    def _connected(self, first: Packet, writer: asyncio.StreamWriter) -> str | None:
        """The device that is let in."""
        if first.kind is not Kind.CONNECT:
            raise ValueError("the first packet is no CONNECT")
        connect = connect_of(first.body)
        twin = self._twins.get(connect.client)
        try:
            host, device, query = connect.user.split("/", 2)
            if (host, device) != (self._host, connect.client) or "api-version" not in parse_qs(query.lstrip("?")):
                raise TokenRefused("the name is of another hub or device")
            if twin is None or not twin.enabled:
                raise TokenRefused("there is no such device")
            check_token(connect.password, f"{host}/devices/{device}", twin.key)
        except (TokenRefused, ValueError):
            writer.write(packet(Kind.CONNACK, bytes([0, _NOT_AUTHORIZED])))
            return None
        # A hub has one connection a device, and keeps the subscriptions of whoever asks for it.
        if (before := self._writers.pop(device, None)) is not None:
            before.transport.abort()
        there = connect.keep and device in self._subscriptions
        if not there:
            self._subscriptions[device] = set()
        self._writers[device] = writer
        self.connections += 1
        writer.write(packet(Kind.CONNACK, bytes([there, _ACCEPTED])))
        return device

    def _answered(self, device: str, received: Packet, writer: asyncio.StreamWriter) -> bool:
        """Answers one packet; False where it was the last."""
        topics = self._subscriptions[device]
        match received.kind:
            case Kind.PINGREQ:
                writer.write(packet(Kind.PINGRESP))
            case Kind.SUBSCRIBE:
                number, asked = topics_of(received)
                topics.update(asked)
                writer.write(numbered(Kind.SUBACK, number, bytes([1] * len(asked))))
            case Kind.UNSUBSCRIBE:
                number, asked = topics_of(received)
                topics.difference_update(asked)
                writer.write(numbered(Kind.UNSUBACK, number))
            case Kind.PUBLISH:
                publish = publish_of(received)
                if publish.number is not None:
                    writer.write(numbered(Kind.PUBACK, publish.number))
                self.asked.append(publish.topic)
                if not self.silent and ANSWERS in topics:
                    writer.write(self._twin_answer(self._twins[device], publish.topic, publish.payload))
            case Kind.PUBACK:
                pass
            case _:
                return False
        return True

    def _twin_answer(self, twin: HubTwin, topic: str, payload: bytes) -> bytes:
        parts = urlsplit(topic)
        request = parse_qs(parts.query)["$rid"][0]
        if parts.path == _GET:
            return message(f"$iothub/twin/res/200/?$rid={request}", json.dumps(twin.properties()).encode())
        if parts.path != _REPORT:
            raise ValueError("a hub is no broker: it knows its own topics alone")
        try:
            twin.report(json.loads(payload))
        except (PatchRefused, ValueError) as error:
            body = json.dumps({"errorCode": 400, "message": str(error)}).encode()
            return message(f"$iothub/twin/res/400/?$rid={request}", body)
        return message(f"$iothub/twin/res/204/?$rid={request}&$version={twin.reported_version}", b"")
