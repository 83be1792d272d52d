"""Corrections as files to take away."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from models.storage.errors import tells_of_full_disk
from studio.errors import StudioRefused, Trouble
from studio.store.corrections import Corrections
from studio.web.asked import browser_of
from studio.web.blocking import DatabaseThreads, Threads

_PART = 256 << 10
_SECONDS = 300.0
_LOOKS_BYTES = 4 << 20
"""Written between two looks at the room that the disk has left."""
_AT_ONCE = 8
_OF_ONE = 4


@dataclass(frozen=True, slots=True)
class ExportRoutes:
    """The files. Each is written whole before its first byte is sent: what fails is told as such, and is no half file.

    Attributes:
        corrections: writes them.
        folder: where a file is while it is sent, without a name.
        threads: that write, apart from those who are asked for little.
        reading: threads that read what is sent; they refuse nobody.
        largest: bytes of one.
        spare: bytes of the disk that are left free.
        stall: seconds for which a reader may take nothing: its file has room on the disk for so long.
        browsers: whose files are written and sent, one for each.
    """

    corrections: Corrections
    folder: Path
    threads: DatabaseThreads
    reading: Threads
    largest: int = 2 << 30
    spare: int = 64 << 20
    stall: float = 60.0
    browsers: list[str] = field(default_factory=list)

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/corrections.zip", self.as_zip, methods=["GET"]),
            Route("/api/corrections.parquet", self.as_parquet, methods=["GET"]),
        ]

    async def as_zip(self, request: Request) -> Response:
        """Pictures, and `corrections.jsonl`."""
        return await self._file(request, self.corrections.write_zip, "corrections.zip", "application/zip")

    async def as_parquet(self, request: Request) -> Response:
        """One table."""
        kind = "application/vnd.apache.parquet"
        return await self._file(request, self.corrections.write_parquet, "corrections.parquet", kind)

    async def _file(self, request: Request, write: Callable[[BinaryIO], int], name: str, kind: str) -> Response:
        browser = browser_of(request)
        if len(self.browsers) >= _AT_ONCE or self.browsers.count(browser) >= _OF_ONE:
            raise StudioRefused(Trouble.TOO_OFTEN, "other exports are on their way; ask for this one in a moment")
        with ExitStack() as unless_sent:
            self.browsers.append(browser)
            unless_sent.callback(self.browsers.remove, browser)
            try:
                file, size = await self.threads.ask(self._written, write, seconds=_SECONDS)
            except OSError as error:
                if tells_of_full_disk(error):
                    raise _full() from error
                raise
            unless_sent.enter_context(file)
            headers = {"content-disposition": f'attachment; filename="{name}"', "content-length": str(size)}
            sending = unless_sent.pop_all()
        return _Sent(self._parts(file), headers, kind, self.stall, sending)

    async def _parts(self, file: BinaryIO) -> AsyncIterator[bytes]:
        while part := await self.reading.do(file.read, _PART):
            yield part

    def _written(self, write: Callable[[BinaryIO], int]) -> tuple[BinaryIO, int]:
        """A file without a name, at its start, and its size."""
        with ExitStack() as unless_written:
            raw = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115 - which the bounded one closes
            file = cast(BinaryIO, unless_written.enter_context(_Bounded(raw, self)))
            write(file)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            unless_written.pop_all()
        return file, size


class _Bounded(io.BufferedRandom):
    """A file that takes neither more than it may nor the disk's last room."""

    def __init__(self, raw: io.FileIO, limits: ExportRoutes) -> None:
        super().__init__(raw)
        self._limits = limits
        self._taken = 0
        self._looks_at = 0

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if self._taken + size > self._limits.largest:
            line = f"an export may have {self._limits.largest >> 20} MiB; write it by hotswap corrections"
            raise StudioRefused(Trouble.TOO_LARGE, line)
        if self._taken >= self._looks_at:
            self._looks_at = self._taken + _LOOKS_BYTES
            if shutil.disk_usage(self._limits.folder).free < self._limits.spare + _LOOKS_BYTES:
                raise _full()
        self._taken += size
        return super().write(data)


class _Sent(StreamingResponse):
    """A file on its way; who takes nothing of it is left, and its room is free again."""

    def __init__(
        self, parts: AsyncIterator[bytes], headers: dict[str, str], kind: str, stall: float, sending: ExitStack
    ) -> None:
        super().__init__(parts, headers=headers, media_type=kind)
        self._stall = stall
        self._sending = sending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._stall):
                await send(message)

        with self._sending:
            try:
                await super().__call__(scope, receive, send_in_time)
            except TimeoutError:
                return


def _full() -> StudioRefused:
    return StudioRefused(Trouble.DISK_FULL, "the disk is full; make room, and ask again")
