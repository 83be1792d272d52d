"""The bodies of requests: read within limits of size, of time and of memory, and unpacked within them too."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from starlette.types import Receive

from serving.asking import Code, Refused

_WINDOWS = {b"gzip": (zlib.MAX_WBITS | 16,), b"deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""How each encoding may begin: `deflate` with a header of zlib's, as its name does not say, or without."""


class HungUp(Exception):  # noqa: N818 - a client's choice, not a failure
    """The client is gone: nobody waits for an answer."""


class Bodies:
    """Reads bodies, and counts what is held of them in memory.

    Attributes:
        largest: bytes of one, as it comes and as it is unpacked.
        room: bytes of all that are held at once.
        seconds: that one may take to come.
        threads: that unpack and parse large ones.
    """

    def __init__(self, largest: int, room: int, seconds: float, threads: Executor) -> None:
        self.largest = largest
        self.room = room
        self.seconds = seconds
        self.threads = threads
        self._held = 0

    @contextmanager
    def reading(self) -> Iterator[_Reading]:
        """What is read within it counts as held until it ends."""
        reading = _Reading(self)
        try:
            yield reading
        finally:
            self._held -= reading.size

    def hold(self, size: int) -> None:
        """Counts more bytes as held.

        Raises:
            Refused: `RESOURCE_EXHAUSTED`: there is no room.
        """
        if self._held + size > self.room:
            raise Refused(Code.RESOURCE_EXHAUSTED, "requests of many bytes are under way; try again in a moment")
        self._held += size


class _Reading:
    """One body.

    Attributes:
        size: bytes that it holds.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size = 0

    async def body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        """The whole of it, unpacked.

        Args:
            receive: of ASGI.
            headers: of the request, names in lower case.

        Raises:
            Refused: `TOO_LARGE`, `TOO_SLOW`, or `INVALID_ARGUMENT` for an encoding that is unknown or wrong.
            HungUp: the client is gone.
        """
        bodies = self._bodies
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding != b"identity" and encoding not in _WINDOWS:
            raise Refused(Code.INVALID_ARGUMENT, "the Content-Encoding of a request may be gzip, deflate or identity")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > bodies.largest and b"expect" in headers:
            raise _too_large(bodies.largest)
        try:
            async with asyncio.timeout(bodies.seconds):
                data = await self._read(receive)
        except TimeoutError:
            raise Refused(Code.TOO_SLOW, f"the body did not come within {bodies.seconds:g} s") from None
        if encoding == b"identity":
            return data
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(bodies.threads, _unpacked, data, encoding, bodies.largest)
        self._hold(len(data))
        return data

    async def _read(self, receive: Receive) -> bytes:
        limit = self._bodies.largest
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise HungUp
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size <= limit:
                self._hold(len(part))
                parts.append(part)
            else:
                parts.clear()  # and on: many clients read no answer before they have sent everything
        if size > limit:
            raise _too_large(limit)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hold(self, size: int) -> None:
        self._bodies.hold(size)
        self.size += size


def _too_large(limit: int) -> Refused:
    return Refused(Code.TOO_LARGE, f"a body may have {limit:,} bytes")


def _unpacked(data: bytes, encoding: bytes, limit: int) -> bytes:
    for window in _WINDOWS[encoding]:
        unpacking = zlib.decompressobj(window)
        try:
            plain = unpacking.decompress(data, limit + 1)
        except zlib.error:
            continue
        if len(plain) > limit:
            raise _too_large(limit)
        if unpacking.eof and not unpacking.unused_data:
            return plain
    raise Refused(Code.INVALID_ARGUMENT, f"the body is no whole {encoding.decode()}")
