"""Many pages that draw once a second each: what the studio's page says over HTTP, said by clients that show nothing.

Two real pages draw beside them; a browser with fifty would need more processors than the studio.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress

import httpx

from benchmarks.studio.hand import Handwriting, encoded, styles

_WAIT_SECONDS = 20
_PATIENCE_SECONDS = 120.0
_CANVAS = 280


class DrawingClient:
    """One browser that has the page open: it hears its events, and draws.

    Args:
        address: of the studio.
        seed: of what it draws.

    Attributes:
        seconds: of each drawing from its sending to its answer.
        lost: drawings that got none.
        events: that it heard.
    """

    def __init__(self, address: str, seed: int) -> None:
        self.seconds: list[float] = []
        self.lost: list[str] = []
        self.events = 0
        self._random = random.Random(seed)  # noqa: S311 - no secret
        limits = httpx.Limits(max_connections=6)
        self._client = httpx.AsyncClient(
            base_url=address, limits=limits, timeout=_PATIENCE_SECONDS, headers={"Origin": address}
        )

    async def draw_for(self, seconds: float) -> None:
        """Opens the page, draws once a second for so long, and waits for the last answers."""
        async with self._client:
            await self._client.get("/")
            csrf = (await self._client.get("/api/state")).json()["csrf"]
            hearing = asyncio.create_task(self._hear())
            await asyncio.sleep(self._random.random())
            until, drawings = time.monotonic() + seconds, []
            while (now := time.monotonic()) < until:
                drawings.append(asyncio.create_task(self._draw(csrf)))
                await asyncio.sleep(max(0.0, now + 1 - time.monotonic()))
            await asyncio.gather(*drawings)
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing

    async def _hear(self) -> None:
        async with self._client.stream("GET", "/api/events", timeout=None) as response:
            async for line in response.aiter_lines():
                self.events += line.startswith("event:")

    async def _draw(self, csrf: str) -> None:
        digit = self._random.randrange(10)
        style = self._random.choice(styles(digit))
        png = await asyncio.to_thread(encoded, Handwriting(digit, style).strokes(self._random.getrandbits(30)), _CANVAS)
        began = time.monotonic()
        try:
            answer = await self._answered(png, csrf)
        except (httpx.HTTPError, json.JSONDecodeError, KeyError) as error:
            self.lost.append(f"{type(error).__name__}: {error}")
            return
        if answer.get("state") == "answered":
            self.seconds.append(time.monotonic() - began)
        else:
            self.lost.append(json.dumps(answer))

    async def _answered(self, png: bytes, csrf: str) -> dict[str, object]:
        headers = {"Content-Type": "image/png", "X-CSRF-Token": csrf}
        taken = await self._client.post("/api/drawings", content=png, headers=headers)
        if taken.status_code != httpx.codes.CREATED:
            return {"status": taken.status_code, "said": taken.text}
        path = f"/api/drawings/{taken.json()['drawing']}/answer"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        answer: dict[str, object] = {}
        while answer.get("state", "pending") == "pending" and time.monotonic() < deadline:
            answer = (await self._client.get(path, params={"wait": _WAIT_SECONDS})).json()
        return answer


async def draw_together(address: str, count: int, seconds: float) -> Sequence[DrawingClient]:
    """So many clients, for so long."""
    clients = [DrawingClient(address, seed) for seed in range(count)]
    await asyncio.gather(*(client.draw_for(seconds) for client in clients))
    return clients
