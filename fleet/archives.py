"""Archives of components in folders, sent by this server itself: whole, or from where a device was cut off."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from fleet.errors import NoSuchRelease
from fleet.releases import Releases
from models.components.component import TARGETS
from models.components.twin import DesiredModel
from models.troubles import Troubles
from serving.asking import Code, Refused

_ONE_RANGE = re.compile(rb"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})")
"""Whoever asks for anything else gets all of it, as RFC 9110 (14.2) lets a server do."""


@dataclass(frozen=True, slots=True)
class Found:
    """An archive in a folder.

    Attributes:
        path: of it.
        stat: what the file system says of it.
        sha256: of it, as its release has it.
    """

    path: Path
    stat: os.stat_result
    sha256: str


class Shelf:
    """Where the archives of releases are. Any thread may use it.

    Args:
        releases: that are on record.
        folder: where archives are looked for first, at `NAME/VERSION/FILE`, and then where they were put; None for the
            latter alone.
        troubles: is told of archives that devices ask for and that are gone.
    """

    def __init__(self, releases: Releases, folder: Path | None, troubles: Troubles) -> None:
        self._releases = releases
        self._folder = folder
        self._troubles = troubles
        # A release never changes: what was read once is so.
        self._uris: dict[str, str] = {}

    def uri(self, model: DesiredModel) -> str | None:
        """Where the archive of a model is; None where none such is on record.

        Raises:
            StoreUnusable: the database does not answer.
        """
        known = self._uris.get(model.sha256)
        if known is None and (known := self._releases.uri_of(model.name, model.sha256)) is not None:
            self._uris[model.sha256] = known
        return known

    def archive(self, name: str, version: str, file: str) -> Found:
        """An archive that is in a folder here.

        Args:
            name, version, file: the last three parts of where it is.

        Raises:
            Refused: `NOT_FOUND`; it is not, or no file of this size.
            StoreUnusable: the database does not answer.
        """
        gone = Refused(Code.NOT_FOUND, "this component is not on the shelf any more")
        target = next((each for each in TARGETS if file == f"{name}-{version}-{each}.zip"), None)
        if target is None:
            raise gone
        try:
            release = self._releases.find(name, version, target)
        except NoSuchRelease:
            raise gone from None
        put = [Path(release.uri)] if "://" not in release.uri else []
        for path in [self._folder / name / version / file, *put] if self._folder else put:
            with suppress(OSError):
                found = path.stat()
                if stat.S_ISREG(found.st_mode) and found.st_size == release.size:
                    self._troubles.end(f"archive {file}", f"{file} is on the shelf again")
                    return Found(path, found, release.sha256)
        self._troubles.begin(
            f"archive {file}",
            f"devices ask for {file}, which is not on the shelf any more: push what it was made of again",
        )
        raise gone


class Archive(FileResponse):
    """A file, or the part of it that is asked for.

    Args:
        found: the archive.
        sent: is told of bytes as they go out.
    """

    def __init__(self, found: Found, sent: Callable[[int], None]) -> None:
        # What is at an address never changes; who has the address may read it, caches of others may not.
        headers = {
            "cache-control": "private, max-age=3600, immutable",
            "etag": f'"{found.sha256}"',
            "x-content-type-options": "nosniff",
        }
        super().__init__(found.path, media_type="application/zip", stat_result=found.stat, headers=headers)
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        wanted = [value for name, value in scope["headers"] if name == b"range"]
        if len(wanted) != 1 or not _ONE_RANGE.fullmatch(wanted[0]):
            scope = dict(scope) | {"headers": [each for each in scope["headers"] if each[0] != b"range"]}

        async def counted(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                self._sent(len(message.get("body", b"")))

        await super().__call__(scope, receive, counted)
