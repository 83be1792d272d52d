"""A large body on its way to the disk: no larger and no slower than may be, and never into the disk's last room."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from starlette.types import Receive

from models.storage.errors import tells_of_full_disk
from serving.asking import Code, Refused
from serving.over_http.bodies import HungUp
from studio.errors import StudioRefused, Trouble
from studio.web.blocking import Threads

_PART = 1 << 20
_PARTIAL = ".upload-"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Receiving:
    """Takes files in.

    Attributes:
        folder: where they are put, under hidden names.
        threads: that write.
        largest: bytes of one.
        spare: bytes of the disk that are left free.
        stall: seconds for which nothing may come.
        seconds: that all of one may take.
        least: bytes that must come in each second of waiting for them, so that nobody holds others' place with a few.
        grace: seconds of waiting before that is looked at.
    """

    folder: Path
    threads: Threads
    largest: int = 512 << 20
    spare: int = 64 << 20
    stall: float = 20.0
    seconds: float = 900.0
    least: int = 32 << 10
    grace: float = 10.0

    def clear(self) -> None:
        """Removes what a studio that was killed left behind."""
        for each in self.folder.glob(f"{_PARTIAL}*"):
            each.unlink(missing_ok=True)

    @asynccontextmanager
    async def file(self, receive: Receive, headers: Mapping[bytes, bytes]) -> AsyncIterator[Path]:
        """A body as a file, for as long as it lasts; whoever wants to keep it moves it.

        Args:
            receive: of ASGI.
            headers: of the request, names in lower case.

        Raises:
            StudioRefused: `TOO_LARGE`, `DISK_FULL`, or `BAD_REQUEST` for one that is empty.
            Refused: `TOO_SLOW`.
            HungUp: the client is gone.
        """
        length = headers.get(b"content-length", b"")
        expected = int(length[:20]) if length.isdigit() else 0
        path = self.folder / f"{_PARTIAL}{secrets.token_hex(8)}"
        try:
            await self._receive(receive, path, expected)
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    async def _receive(self, receive: Receive, path: Path, expected: int) -> None:
        parts = _Parts(receive, self.stall, self.least, self.grace)
        try:
            async with asyncio.timeout(self.seconds):
                try:
                    size = await self._kept(parts, path, expected)
                except StudioRefused:
                    # A browser reads no answer before it has sent everything.
                    await parts.pass_over(self.largest)
                    raise
        except TimeoutError:
            raise Refused(Code.TOO_SLOW, "the file came too slowly; try again where the network is faster") from None
        if not size:
            raise StudioRefused(Trouble.BAD_REQUEST, "the file is empty")

    async def _kept(self, parts: _Parts, path: Path, expected: int) -> int:
        if expected > self.largest:
            raise self._too_large()
        await self._write(self._require_room, expected)
        file = await self._write(_created, path)
        try:
            return await self._copy(parts, file)
        finally:
            await self._write(file.close)

    async def _copy(self, parts: _Parts, file: BinaryIO) -> int:
        size, held = 0, bytearray()
        while parts.more:
            held += await parts.next()
            if size + len(held) > self.largest:
                raise self._too_large()
            if len(held) >= _PART or not parts.more:
                await self._write(self._require_room, len(held))
                await self._write(file.write, bytes(held))
                size += len(held)
                held.clear()
        return size

    def _require_room(self, size: int) -> None:
        if shutil.disk_usage(self.folder).free < size + self.spare:
            needed, kept = _mebibytes(size + self.spare), _mebibytes(self.spare)
            line = f"there is too little room: {needed} MiB must be free, {kept} of them for the rest of the studio"
            raise StudioRefused(Trouble.DISK_FULL, f"{line}; make room below {self.folder}, and send the file again")

    async def _write(self, work: Callable[..., _Answer], *given: object) -> _Answer:
        try:
            return await self.threads.do(work, *given)
        except OSError as error:
            if tells_of_full_disk(error):
                raise _full() from error
            raise

    def _too_large(self) -> StudioRefused:
        return StudioRefused(Trouble.TOO_LARGE, f"a file may have {self.largest >> 20} MiB")


class _Parts:
    """A body as it comes.

    Attributes:
        more: whether something is still to come.
    """

    def __init__(self, receive: Receive, stall: float, least: int, grace: float) -> None:
        self._receive = receive
        self._stall = stall
        self._least = least
        self._grace = grace
        self._waited = 0.0
        self._come = 0
        self.more = True

    async def next(self) -> bytes:
        """The next part; only where there is more.

        Raises:
            TimeoutError: nothing comes, or too little.
            HungUp: the client is gone.
        """
        begun = time.monotonic()
        async with asyncio.timeout(self._stall):
            message = await self._receive()
        self._waited += time.monotonic() - begun
        if message["type"] == "http.disconnect":
            raise HungUp
        self.more = message.get("more_body", False)
        part: bytes = message.get("body", b"")
        self._come += len(part)
        if self.more and self._waited > self._grace and self._come < self._least * self._waited:
            raise TimeoutError
        return part

    async def pass_over(self, most: int) -> None:
        """Reads the rest, within reason, for nothing."""
        while self.more and most > 0:
            most -= len(await self.next())


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _mebibytes(size: int) -> int:
    return -(-size >> 20)


def _full() -> StudioRefused:
    return StudioRefused(Trouble.DISK_FULL, "the disk is full; make room, and send the file again")
