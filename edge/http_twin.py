"""A device's twin at its fleet's server, over HTTP: one connection, kept open, to one host."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from edge.connections import (
    Address,
    AddressRefused,
    Connections,
    Pace,
    TooMuchHead,
    TooSlow,
    asked,
    why,
)
from edge.twin_source import TwinTrouble, TwinUnavailable
from models.components.twin import MOST_TWIN_BYTES, Reported, Twin, TwinMalformed
from models.errors import one_line
from models.loopback import is_loopback
from models.storage.local import read_start
from models.version import VERSION

LONGEST_SECONDS, SILENT_SECONDS = 60.0, 20.0
"""For one question and its answer, however slowly the bytes come; and for the head, and until each further piece."""
_PIECE_BYTES = 64 << 10
_NEVER = threading.Event()
_MOST_TOKEN_BYTES = 4096
_WRITTEN = (200, 204)
_REFUSED = (401, 403)
_MAY_PASS = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes


class HttpTwin:
    """A `TwinSource` over HTTP. One thread uses it.

    The token is read anew for each question, so that another one is taken in as soon as it lies there. It goes to the
    server alone: redirects are not followed.

    Args:
        server: `https://HOST[:PORT][/PATH]`; `http://` for this machine, or where `insecure`.
        device: its identity.
        token_file: holds its token, on one line.
        ca: certificates of authorities in PEM, which are trusted in place of the system's.
        insecure: whether the token may travel in the clear.

    Raises:
        AddressRefused: no token is sent to such an address.
        KeyUnusable: `ca` holds no certificates, or cannot be read.
    """

    def __init__(
        self, server: str, device: str, token_file: Path, ca: Path | None = None, insecure: bool = False
    ) -> None:
        try:
            parts = urlsplit(server)
            self._address = Address(parts.scheme == "https", parts.hostname or "", parts.port, parts.path)
        except ValueError as error:
            raise AddressRefused(f"{server} is no address of a server: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise AddressRefused(f"{server} is no address of a server; https://HOST:PORT is expected")
        if parts.scheme == "http" and not insecure and not is_loopback(parts.hostname):
            raise AddressRefused(
                f"{server} would carry the token in the clear; give https://, or --insecure where that is no harm"
            )
        self._server = server
        self._path = f"{parts.path.rstrip('/')}/twins/{quote(device, safe='')}"
        self._device = device
        self._token_file = token_file
        self._connections = Connections(ca)
        self._connected: socket.socket | None = None

    def read(self, etag: str | None) -> Twin | None:
        """See `TwinSource.read`."""
        answer = self._asked("GET", self._path, {"If-None-Match": f'"{etag}"'} if etag else {}, None)
        if answer.status == 304 and etag:
            return None
        if answer.status != 200:
            raise self._no(answer)
        try:
            twin = Twin.decode(answer.body)
        except TwinMalformed as error:
            raise TwinUnavailable(
                TwinTrouble.MALFORMED, f"{self._server} answers with no device twin: {error}"
            ) from error
        if twin.device != self._device:
            raise TwinUnavailable(TwinTrouble.MALFORMED, f"{self._server} answers with the twin of {twin.device!r}")
        return twin

    def report(self, reported: Reported) -> None:
        """See `TwinSource.report`."""
        body = json.dumps(reported.to_json(), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"}
        answer = self._asked("PATCH", f"{self._path}/properties/reported", headers, body)
        if answer.status not in _WRITTEN:
            raise self._no(answer)

    def close(self) -> None:
        """See `TwinSource.close`."""
        if self._connected is not None:
            self._connected.close()
            self._connected = None

    def _asked(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> _Answer:
        own = {"Authorization": f"Bearer {self._token()}", "User-Agent": f"hotswap-edge/{VERSION}"}
        kept = self._connected is not None
        try:
            try:
                return self._once(method, path, {**own, **headers}, body)
            except (http.client.RemoteDisconnected, ConnectionError):
                if not kept:
                    raise
                self.close()  # the server had let go of it while nothing was asked
                return self._once(method, path, {**own, **headers}, body)
        except (OSError, ValueError, http.client.HTTPException, TooSlow, TooMuchHead) as error:
            self.close()  # ValueError: no host has such a name
            raise TwinUnavailable(TwinTrouble.UNREACHABLE, f"{self._server} does not answer: {_why(error)}") from error
        except BaseException:
            self.close()
            raise

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> _Answer:
        pace = Pace(_NEVER, SILENT_SECONDS, 1, LONGEST_SECONDS)
        if self._connected is None:
            self._connected = self._connections.connected(self._address, pace)
        address = replace(self._address, target=path)
        with asked(self._connected, address, method, headers, body, pace) as response:
            read = bytearray()
            while len(read) <= MOST_TWIN_BYTES and (piece := response.read1(_PIECE_BYTES)):
                pace.came(len(piece))
                read += piece
            is_over = len(read) > MOST_TWIN_BYTES or response.will_close
            if response.length and not len(read) > MOST_TWIN_BYTES:
                raise http.client.IncompleteRead(bytes(read), response.length)
            status = response.status
        if is_over:
            self.close()
        return _Answer(status, bytes(read))

    def _token(self) -> str:
        try:
            token = read_start(self._token_file, _MOST_TOKEN_BYTES).decode("ascii").strip()
        except OSError as error:
            raise TwinUnavailable(
                TwinTrouble.DENIED, f"the token cannot be read: {self._token_file}: {error.strerror or error}"
            ) from error
        except UnicodeDecodeError:
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise TwinUnavailable(
                TwinTrouble.DENIED, f"{self._token_file} holds no token; `hotswap fleet add` writes one"
            )
        return token

    def _no(self, answer: _Answer) -> TwinUnavailable:
        status, server = answer.status, self._server
        if status in _REFUSED:
            return TwinUnavailable(
                TwinTrouble.DENIED,
                f"{server} refuses the token in {self._token_file} for {self._device} ({status}); put there the one "
                "that `hotswap fleet add` wrote for it",
            )
        if status >= 500 or status in _MAY_PASS:
            return TwinUnavailable(
                TwinTrouble.UNREACHABLE, f"{server} answers {status}{_told(answer.body)}; it may pass"
            )
        if 300 <= status < 400:
            return TwinUnavailable(
                TwinTrouble.MALFORMED,
                f"{server} leads elsewhere ({status}), where no token is sent; give the address itself",
            )
        return TwinUnavailable(
            TwinTrouble.MALFORMED, f"{server} is no fleet's server: it answers {status}{_told(answer.body)}"
        )


def _why(error: Exception) -> str:
    return why(error) if isinstance(error, OSError) else one_line(error)


def _told(body: bytes) -> str:
    """What the server says of itself, where it does."""
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        return f" ({one_line(json.loads(body)['error'])})"
    return ""
