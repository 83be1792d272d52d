"""Packets of MQTT 3.1.1, as far as a server of device twins reads and writes them."""

from __future__ import annotations

import asyncio
import struct
from enum import IntEnum
from typing import NamedTuple


class Kind(IntEnum):
    """The kind of a packet: the upper half of its first byte."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Packet(NamedTuple):
    """One packet: its kind, the lower half of its first byte, and what follows its length."""

    kind: Kind
    flags: int
    body: bytes


class Connect(NamedTuple):
    """Who wants in; `keep`: whether subscriptions outlive the connection."""

    client: str
    user: str
    password: str
    keep: bool


class Publish(NamedTuple):
    """A message; `number` is None where no receipt is asked for."""

    topic: str
    payload: bytes
    number: int | None


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """The next packet.

    Raises:
        asyncio.IncompleteReadError: the connection has ended.
        ValueError: it is no packet of a client.
    """
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift > 21:
            raise ValueError("a length has four bytes at most")
    return Packet(Kind(first >> 4), first & 0x0F, await reader.readexactly(length))


def connect_of(body: bytes) -> Connect:
    """Reads a CONNECT.

    Raises:
        ValueError: it is of another protocol, or has no name and password.
    """
    protocol, rest = _text(body)
    level, flags = rest[0], rest[1]
    if protocol != "MQTT" or level != 4 or flags & 0b11000100 != 0b11000000:
        raise ValueError("MQTT 3.1.1 with a name and a password, and without a last will, is expected")
    client, rest = _text(rest[4:])
    user, rest = _text(rest)
    password, _ = _text(rest)
    return Connect(client, user, password, not flags & 0b10)


def publish_of(packet: Packet) -> Publish:
    """Reads a PUBLISH."""
    topic, rest = _text(packet.body)
    if not packet.flags & 0b0110:
        return Publish(topic, rest, None)
    return Publish(topic, rest[2:], struct.unpack("!H", rest[:2])[0])


def topics_of(packet: Packet) -> tuple[int, list[str]]:
    """The number of a SUBSCRIBE or UNSUBSCRIBE, and its topics."""
    number, rest = struct.unpack("!H", packet.body[:2])[0], packet.body[2:]
    topics = []
    while rest:
        topic, rest = _text(rest)
        rest = rest[packet.kind is Kind.SUBSCRIBE :]
        topics.append(topic)
    return number, topics


def packet(kind: Kind, body: bytes = b"", flags: int = 0) -> bytes:
    """Writes a packet."""
    length, left = bytearray(), len(body)
    while True:
        left, byte = divmod(left, 128)
        length.append(byte | (0x80 if left else 0))
        if not left:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def numbered(kind: Kind, number: int, more: bytes = b"") -> bytes:
    """Writes a packet that answers the one of this number."""
    return packet(kind, struct.pack("!H", number) + more)


def message(topic: str, payload: bytes) -> bytes:
    """Writes a PUBLISH that asks for no receipt."""
    name = topic.encode()
    return packet(Kind.PUBLISH, struct.pack("!H", len(name)) + name + payload)


def _text(data: bytes) -> tuple[str, bytes]:
    length = struct.unpack("!H", data[:2])[0]
    return data[2 : 2 + length].decode(), data[2 + length :]
