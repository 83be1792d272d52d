"""Corrections as files to take away."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from models.storage.errors import tells_of_full_disk
from studio.errors import StudioRefused, Trouble
from studio.store.corrections import Corrections
from studio.web.blocking import DatabaseThreads

_PART = 256 << 10
_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ExportRoutes:
    """The files. Each is written whole before its first byte is sent: what fails is told as such, and is no half file.

    Attributes:
        corrections: writes them.
        folder: where a file is while it is sent, without a name.
        threads: that write, apart from those who are asked for little.
    """

    corrections: Corrections
    folder: Path
    threads: DatabaseThreads

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/corrections.zip", self.as_zip, methods=["GET"]),
            Route("/api/corrections.parquet", self.as_parquet, methods=["GET"]),
        ]

    async def as_zip(self, request: Request) -> Response:
        """Pictures, and `corrections.jsonl`."""
        return await self._file(self.corrections.write_zip, "corrections.zip", "application/zip")

    async def as_parquet(self, request: Request) -> Response:
        """One table."""
        kind = "application/vnd.apache.parquet"
        return await self._file(self.corrections.write_parquet, "corrections.parquet", kind)

    async def _file(self, write: Callable[[BinaryIO], int], name: str, kind: str) -> Response:
        try:
            file, size = await self.threads.ask(_written, write, self.folder, seconds=_SECONDS)
        except OSError as error:
            if tells_of_full_disk(error):
                raise StudioRefused(Trouble.DISK_FULL, "the disk is full; make room, and ask again") from error
            raise
        headers = {"content-disposition": f'attachment; filename="{name}"', "content-length": str(size)}
        return StreamingResponse(self._parts(file), headers=headers, media_type=kind)

    async def _parts(self, file: BinaryIO) -> AsyncIterator[bytes]:
        with file:
            while part := await self.threads.ask(file.read, _PART):
                yield part


def _written(write: Callable[[BinaryIO], int], folder: Path) -> tuple[BinaryIO, int]:
    """A file without a name, at its start, and its size."""
    with ExitStack() as unless_written:
        file = cast(BinaryIO, unless_written.enter_context(tempfile.TemporaryFile(dir=folder)))
        write(file)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        unless_written.pop_all()
    return file, size
