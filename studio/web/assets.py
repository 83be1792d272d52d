"""The files of the page: read once, and answered from memory, as they never change while the studio runs."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from studio.errors import StudioRefused, Trouble

PAGE = Path(__file__).parents[1] / "page"
_INDEX = "index.html"
_KINDS = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_LEFT_OUT = frozenset({".py", ".pyc"})
_WORTH_PACKING = 1024


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        content: its bytes.
        packed: the same by gzip; None where that is hardly less.
        kind: its media type.
        etag: that of its content, with quotes.
    """

    content: bytes
    packed: bytes | None
    kind: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """Answers with them.

    Attributes:
        files: by their path below the folder.
    """

    files: Mapping[str, Asset]

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/page/{file:path}", self.file, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """The page."""
        return self._answer(request, _INDEX)

    async def file(self, request: Request) -> Response:
        """A file of the page."""
        return self._answer(request, request.path_params["file"])

    def _answer(self, request: Request, path: str) -> Response:
        found = self.files.get(path)
        if found is None:
            raise StudioRefused(Trouble.NOT_FOUND, "the page has no such file")
        headers = {"etag": found.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
        known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
        if found.etag in known:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(found.packed, headers=headers, media_type=found.kind)
        return Response(found.content, headers=headers, media_type=found.kind)


def read_assets(folder: Path = PAGE) -> Assets:
    """All files of the page.

    Raises:
        OSError: they cannot be read.
    """
    paths = [each for each in folder.rglob("*") if each.is_file() and each.suffix not in _LEFT_OUT]
    return Assets({each.relative_to(folder).as_posix(): _asset(each) for each in paths})


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    packed = gzip.compress(content, mtime=0) if len(content) >= _WORTH_PACKING else content
    kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, packed if len(packed) < 0.9 * len(content) else None, kind, etag)
