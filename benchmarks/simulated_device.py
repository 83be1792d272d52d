"""A device as its fleet's server sees it: it polls, fetches, checks, reports, and runs nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from models.components.twin import DesiredModel, Reported, ReportedModel, Twin

_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        status: of the answer.
        headers: of it, by their names in small letters.
        body: of it.
        size: bytes of both, heads and bodies.
        seconds: from the first byte sent to the last one received.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    size: int
    seconds: float


@dataclass(slots=True)
class Polls:
    """What polls that changed nothing cost: seconds of each, and bytes of all."""

    seconds: list[float] = field(default_factory=list)
    size: int = 0


class SimulatedDevice:
    """One device.

    Args:
        name: of the device.
        token: that lets it in.
        server: host and port.

    Attributes:
        runs: what it would run now.
        since: when it had reported that, by the clock that only grows.
        unchanged: its polls that changed nothing.
        wrong: archives that had not the size or the digest that was desired.
        failed: answers that no device should get.
    """

    def __init__(self, name: str, token: str, server: tuple[str, int]) -> None:
        self.runs: DesiredModel | None = None
        self.since = 0.0
        self.unchanged = Polls()
        self.wrong = 0
        self.failed = 0
        self._name = name
        self._token = token
        self._server = server
        self._etag = ""
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def poll(self) -> None:
        """Asks what is desired, and does what follows from it."""
        headers = {"Authorization": f"Bearer {self._token}"}
        if self._etag:
            headers["If-None-Match"] = self._etag
        answer = await self._ask("GET", f"/twins/{self._name}", headers)
        if answer.status == 304:
            self.unchanged.seconds.append(answer.seconds)
            self.unchanged.size += answer.size
        elif answer.status == 200:
            models = Twin.decode(answer.body).models
            if models and models[0].without_url() != self.runs:
                await self._take(models[0])
            self._etag = answer.headers["etag"]
        else:
            self.failed += 1

    async def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    async def _take(self, model: DesiredModel) -> None:
        address = urlsplit(model.url)
        archive = await self._ask("GET", f"{address.path}?{address.query}", {})
        if archive.status != 200:
            self.failed += 1
            return
        if (hashlib.sha256(archive.body).hexdigest(), len(archive.body)) != (model.sha256, model.size):
            self.wrong += 1
            return
        told = Reported((ReportedModel(model.name, model.version, model.sha256, "", "running"),), "simulated")
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        body = json.dumps(told.to_json()).encode()
        answer = await self._ask("PATCH", f"/twins/{self._name}/properties/reported", headers, body)
        if answer.status != 204:
            self.failed += 1
        self.runs, self.since = model.without_url(), time.monotonic()

    async def _ask(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> Exchange:
        if self._connection is None:
            self._connection = await asyncio.open_connection(*self._server, limit=_HEAD_BYTES)
        reading, writing = self._connection
        head = {"Host": f"{self._server[0]}:{self._server[1]}", **headers}
        if body:
            head["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        began = time.monotonic()
        writing.write(request)
        try:
            top = await reading.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):  # it was kept open for long enough
            await self.close()
            return await self._ask(method, target, headers, body)
        first, *others = top.decode("latin-1").rstrip().split("\r\n")
        answered = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in others)}
        content = await reading.readexactly(int(answered.get("content-length", "0")))
        size = len(request) + len(top) + len(content)
        return Exchange(int(first.split()[1]), answered, content, size, time.monotonic() - began)
