"""A fleet's server as devices know it, with storage beside it: real HTTP, and as bad a network as a test wants."""

from __future__ import annotations

import hashlib
import json
import secrets
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from models.components.twin import DesiredModel, Reported, Twin
from tests.component_files import component
from tests.serving.certificates import Pair

TOKEN = "a-token-of-the-tests"
DEVICE = "robot-7"
_PIECE = 512


class FleetServer:
    """Tells one device what is desired, and sends it archives by addresses that run out.

    Attributes:
        reported: what the device told, each time.
        answers: how many of each kind there were: `GET 200`, `GET 304`, `PATCH 204`, `component 206`, …
        sent: bytes of archives that were sent.
        cut_after: bytes of an archive after which its connection breaks, once.
        corrupt: whether the next archive is sent with another byte in its middle.
        down: whether whoever asks is hung up on.
        storage_down: the same of archives alone.
        before_piece: is called before each piece of an archive is sent.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.reported: list[Reported] = []
        self.answers: Counter[str] = Counter()
        self.sent = 0
        self.cut_after: int | None = None
        self.corrupt = False
        self.down = self.storage_down = False
        self.before_piece: Callable[[], object] = lambda: None
        self.token = TOKEN
        self._models: tuple[DesiredModel, ...] = ()
        self._archives: dict[str, Path] = {}
        self._etag, self._version = secrets.token_hex(8), 0
        self._right = secrets.token_hex(8)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fleet = self
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> FleetServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def desire(self, *archives: Path, signature: str | None = None) -> None:
        """Has the device run these, the first one first."""
        self.desire_models(*(self.model(archive, signature) for archive in archives))

    def model(self, archive: Path, signature: str | None = None) -> DesiredModel:
        data, what = archive.read_bytes(), component(archive)
        digest = hashlib.sha256(data).hexdigest()
        self._archives[digest] = archive
        return DesiredModel(what.name, what.version, "", digest, len(data), signature)

    def manifests(self) -> list[bytes]:
        """Of all archives that it ever desired."""
        return [component(archive).encode() for archive in self._archives.values()]

    def desire_models(self, *models: DesiredModel) -> None:
        self._models, self._etag = models, secrets.token_hex(8)
        self._version += 1

    def expire(self) -> None:
        """Every address that was told is good no longer."""
        self._right = secrets.token_hex(8)

    def end_connections(self) -> None:
        """As servers do with those that nobody asks by for a while."""
        for connection in self._server.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def state_of(self, version: str) -> str:
        """What the device told last of a version: `STATE ERROR`; "" where it told nothing of it."""
        last = self.reported[-1].models if self.reported else ()
        return next((f"{each.state} {each.error}".strip() for each in last if each.version == version), "")

    def twin(self) -> Twin:
        models = tuple(
            DesiredModel(
                each.name, each.version, f"{self.url}/components/{each.sha256}.zip?right={self._right}", each.sha256,
                each.size, each.signature,
            )
            for each in self._models
        )  # fmt: skip
        last = self.reported[-1] if self.reported else Reported()
        return Twin(DEVICE, models, self._version, self._etag, last)

    def archive(self, path: str) -> bytes | None:
        """What lies at a path, where that gives the right to it."""
        name, _, right = path.partition("?right=")
        archive = self._archives.get(name.rpartition("/")[2].removesuffix(".zip"))
        return archive.read_bytes() if archive is not None and right == self._right else None


def behind_tls(pair: Pair) -> FleetServer:
    """One that is known by a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return FleetServer(context)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    fleet: FleetServer

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Devices are killed amid their questions."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        fleet = self.server.fleet
        if fleet.down or (fleet.storage_down and self.path.startswith("/components/")):
            self.close_connection = True
        elif self.path.startswith("/components/"):
            self._send_archive(fleet)
        elif self._is_allowed(fleet):
            twin = fleet.twin()
            if self.headers.get("If-None-Match") == f'"{twin.etag}"':
                self._answer(304, b"", ETag=f'"{twin.etag}"')
            else:
                self._answer(200, twin.encode(), ETag=f'"{twin.etag}"')

    def do_PATCH(self) -> None:
        fleet = self.server.fleet
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if fleet.down:
            self.close_connection = True
        elif self._is_allowed(fleet):
            fleet.reported.append(Reported.from_json(json.loads(body)))
            self._answer(204, b"")

    def _is_allowed(self, fleet: FleetServer) -> bool:
        if self.headers.get("Authorization") == f"Bearer {fleet.token}" and self.path.startswith(f"/twins/{DEVICE}"):
            return True
        self._answer(401, b'{"error": "wrong token"}')
        return False

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.server.fleet.answers[f"{self.command} {status}"] += 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_archive(self, fleet: FleetServer) -> None:
        assert "Authorization" not in self.headers, "the token goes to the server alone"
        data = fleet.archive(self.path)
        if data is None:
            self._answer(403, b'{"error": "expired"}')
            return
        wanted = self.headers.get("Range", "bytes=0-")
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        status = 206 if "Range" in self.headers else 200
        fleet.answers[f"component {status}"] += 1
        if fleet.corrupt:
            fleet.corrupt = False
            middle = start + (len(data) - start) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        self.send_response(status)
        self.send_header("Content-Length", str(len(data) - start))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self._send_pieces(fleet, data[start:])

    def _send_pieces(self, fleet: FleetServer, data: bytes) -> None:
        with suppress(OSError):
            for begin in range(0, len(data), _PIECE):
                fleet.before_piece()
                if fleet.cut_after is not None and begin >= fleet.cut_after:
                    fleet.cut_after = None
                    self.close_connection = True
                    return
                piece = data[begin : begin + _PIECE]
                self.wfile.write(piece)
                fleet.sent += len(piece)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
