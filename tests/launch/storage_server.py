"""gcp-storage-emulator, with the generation preconditions of Cloud Storage, which it does not know, added before it."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from tests.serving_http import serving

BUCKET = "models-bucket"


class StorageServer:
    """One bucket in memory.

    Attributes:
        address: for `STORAGE_EMULATOR_HOST`.
        writes: the query of each request that writes, as the client sent it.
        reads: how many requests read.
        one_at_a_time: held by each request, since what a precondition is held against is what is replaced.
        meanwhile: called before the next request that writes is looked at: somebody else's doing.
    """

    def __init__(self) -> None:
        self.storage = Storage(use_memory_fs=True)
        create_bucket(BUCKET, self.storage)
        self.writes: list[dict[str, str]] = []
        self.reads = 0
        self.one_at_a_time = threading.Lock()
        self.meanwhile: Callable[[], object] | None = None
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def put(self, name: str, content: bytes) -> None:
        """Somebody writes an object, straight away."""
        from google.cloud import storage

        storage.Client.create_anonymous_client().bucket(BUCKET).blob(name).upload_from_string(content)

    def delete(self, name: str) -> None:
        """Somebody deletes an object, straight away."""
        from google.cloud import storage

        storage.Client.create_anonymous_client().bucket(BUCKET).blob(name).delete()

    def content(self, name: str) -> bytes:
        """An object's bytes."""
        return bytes(self.storage.get_file(BUCKET, name))

    def names(self) -> list[str]:
        """All objects' names."""
        items, _ = self.storage.get_file_list(BUCKET)
        return sorted(item["name"] for item in items)

    def generation(self, name: str | None) -> str:
        """An object's generation; "0" where there is none, as Cloud Storage has it."""
        try:
            return str(self.storage.get_file_obj(BUCKET, name)["generation"])
        except NotFound:
            return "0"


@contextmanager
def storage_server() -> Iterator[StorageServer]:
    """A running server."""
    server = StorageServer()
    with serving(server.http):
        yield server


class _Handler(RequestHandler):
    def __init__(self, server: StorageServer, *args: Any) -> None:
        self._server = server
        super().__init__(server.storage, *args)

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self._server.reads += 1
        with self._server.one_at_a_time:
            super().do_GET()

    def end_headers(self) -> None:
        """Tells which generation is sent: https://cloud.google.com/storage/docs/xml-api/reference-headers."""
        url = urlsplit(self.path)
        if self.command == "GET" and "alt=media" in url.query:
            self.send_header("X-Goog-Generation", self._server.generation(unquote(url.path.rpartition("/o/")[2])))
        super().end_headers()

    def do_DELETE(self) -> None:  # noqa: N802
        self._write(super().do_DELETE)

    def do_POST(self) -> None:  # noqa: N802
        self._write(super().do_POST)

    def do_PUT(self) -> None:  # noqa: N802
        self._write(super().do_PUT)

    def _write(self, write: Callable[[], None]) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.rfile: io.BufferedIOBase = io.BytesIO(body)
        meanwhile, self._server.meanwhile = self._server.meanwhile, None
        if meanwhile:
            meanwhile()
        with self._server.one_at_a_time:
            if self._precondition_holds(body):
                write()

    def _precondition_holds(self, body: bytes) -> bool:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self._server.writes.append(query)
        wanted = query.get("ifGenerationMatch")
        if wanted is None or wanted == self._server.generation(self._object(url.path, query, body)):
            return True
        self.send_response(412)
        answer = json.dumps({"error": {"code": 412, "message": "conditionNotMet"}}).encode()
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        return False

    def _object(self, path: str, query: dict[str, str], body: bytes) -> str | None:
        """The object that a request writes: named in the path of a rewrite, in the body of an upload."""
        if "/rewriteTo/" in path:
            return unquote(path.rpartition("/o/")[2])
        if "upload_id" in query:
            return str(self._server.storage.get_resumable_file_obj(query["upload_id"])["name"])
        if not body:
            return unquote(path.rpartition("/o/")[2])
        found = re.search(rb'"name": ?"([^"]+)"', body)
        return query.get("name") or (found[1].decode() if found else None)
