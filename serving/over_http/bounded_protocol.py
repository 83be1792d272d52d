"""HTTP as Uvicorn parses it, from clients who send their head in good time and size."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.seldom import Seldom

LARGEST_HEAD = 64 << 10
"""Bytes of a request's first line and headers."""
HEAD_SECONDS = 20.0
"""For which a client may be about to send them; and, once connected, to begin."""
_SELDOM = Seldom()
_WHY = b'{"error": "the headers are larger than 64 KiB"}'
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_WHY), _WHY)
)


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose head is too large or too slow: the parser itself would keep all of it.

    What it logs names the client and the port.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._in_head = True
        self._head = 0
        self._is_between = True
        self._begun = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.logger = _Whence(self.logger, self.client, self.server)  # type: ignore[assignment]  # as good as a logger
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_between, self._begun = self._is_between, 0
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        # Where a head begins behind something else, the parser does not say at which byte: what is here of it is not
        # counted, and cannot be more than is received at once.
        if not self._begun or (was_between and self._begun == 1):
            self._head += len(data)
        if self._head > LARGEST_HEAD:
            self._stop_timer()
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._is_between = False
        self._begun += 1
        self._head = 0
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_between = True
        super().on_message_complete()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Whence(logging.LoggerAdapter[logging.Logger]):
    """Says of whom a line is, and where they are: most of those who speak no HTTP have taken another port for this.

    Args:
        inner: takes the lines.
        client: host and port; None where they are not known.
        server: the same of this side.
    """

    def __init__(
        self, inner: logging.Logger, client: tuple[str, int] | None, server: tuple[str, int | None] | None
    ) -> None:
        super().__init__(inner)
        host, port = client or ("somebody", 0)
        address = host.partition("%")[0]  # a zone's sign would be taken for a place to put something in
        self._port = server[1] if server else None
        self._whence = f"HTTP port{f' {server[1]}' if server else ''}, where HTTP/1.1 is spoken: {address}:{port}: "

    @property
    def level(self) -> int:
        """From which on lines are taken."""
        return self.logger.level

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See `logging.LoggerAdapter`. Of what strangers do wrong it is told once a minute, and how often."""
        if level < logging.ERROR:
            count = _SELDOM.count((self._port, msg))
            if not count:
                return
            if count > 1:
                msg = f"{msg} ({count:,} times since the last such line)"
        super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """See `logging.LoggerAdapter`."""
        return f"{self._whence}{msg}", kwargs
