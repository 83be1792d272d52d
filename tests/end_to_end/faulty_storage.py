"""Cloud Storage with the troubles of a real one: an emulated bucket behind a proxy that misbehaves when told to."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from tests.launch.storage_server import BUCKET, storage_server
from tests.serving_http import serving

_HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive")


@dataclass(frozen=True)
class Fault:
    """What happens to a request, in place of or before its answer.

    Attributes:
        status: HTTP status that is answered at once; 0 for the true answer.
        seconds: waited before the answer.
        cut: whether the connection is closed in the middle of the body.
    """

    status: int = 0
    seconds: float = 0.0
    cut: bool = False


class FaultyStorage:
    """One bucket, as its clients see it.

    Attributes:
        address: for the `STORAGE_EMULATOR_HOST` of those who shall meet the faults.
        faults: by a part of the path that they hit, e.g. `images/a.png`; listings have the path `/o`.
        hits: how many requests met a fault.
        requests: the path and query of each that asked for something.
        connections: how many were made.
    """

    def __init__(self, behind: str) -> None:
        self.faults: dict[str, Fault] = {}
        self.hits = 0
        self.requests: list[str] = []
        self.connections = 0
        self._bucket = storage.Client(
            project="none", credentials=AnonymousCredentials(), client_options={"api_endpoint": behind}
        ).bucket(BUCKET)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _proxy(self, urlsplit(behind).netloc))
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def put(self, name: str, data: bytes) -> str:
        """Writes an object past the proxy; answers its URI."""
        self._bucket.blob(name).upload_from_string(data)
        return f"gs://{BUCKET}/{name}"

    def credentials(self, folder: Path) -> Path:
        """A service account's key file. Without credentials Beam would look for some for 20 seconds."""
        key = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / "key.json"
        account = {"type": "service_account", "client_email": "job@test.iam.gserviceaccount.com", "project_id": "test"}
        path.write_text(json.dumps(account | {"token_uri": f"{self.address}/token", "private_key": key.decode()}))
        return path

    def delete(self, name: str) -> None:
        """Deletes an object past the proxy."""
        self._bucket.delete_blob(name)

    def fault_for(self, path: str) -> Fault | None:
        """The fault that a request meets, counted."""
        found = next((fault for part, fault in self.faults.items() if unquote(path).endswith(part)), None)
        self.hits += found is not None
        return found


@contextmanager
def faulty_storage() -> Iterator[FaultyStorage]:
    """A running bucket and its proxy."""
    with storage_server() as server:
        proxy = FaultyStorage(server.address)
        with serving(proxy.http):
            yield proxy


def _proxy(storage_: FaultyStorage, behind: str) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            storage_.connections += 1
            super().setup()

        def do_GET(self) -> None:
            storage_.requests.append(self.path)
            fault = storage_.fault_for(urlsplit(self.path).path)
            if fault is not None:
                time.sleep(fault.seconds)
                if fault.status:
                    self._answer(fault.status, {"Content-Type": "application/json"}, b'{"error": {"message": "fault"}}')
                    return
            connection = http.client.HTTPConnection(behind, timeout=30)
            connection.request("GET", self.path, headers=dict(self.headers.items()))
            answer = connection.getresponse()
            # An object's description says where its bytes are: here, not behind.
            body = answer.read().replace(f"http://{behind}/".encode(), f"{storage_.address}/".encode())
            headers = {name: text for name, text in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            self._answer(answer.status, headers, body, cut=fault is not None and fault.cut)
            connection.close()

        def do_POST(self) -> None:
            """Google's token service: whoever asks is let in."""
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"access_token": "anything", "expires_in": 3600, "token_type": "Bearer"}'
            self._answer(200, {"Content-Type": "application/json"}, body)

        def _answer(self, status: int, headers: dict[str, str], body: bytes, cut: bool = False) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Proxy
