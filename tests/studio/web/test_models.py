"""The models are told whatever the database does."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
from starlette.applications import Starlette

from serving.over_http.bodies import Bodies
from studio.places import Places
from studio.shelf.shelf import ModelShelf
from studio.store.corrections import Corrections
from studio.web.blocking import DatabaseThreads, Threads
from studio.web.models import ModelRoutes


def test_a_database_that_says_nothing_holds_up_no_look_at_the_models(tmp_path: Path) -> None:
    places = Places(tmp_path / "studio", tmp_path / "models")
    places.make()
    (places.models / "a.onnx").write_bytes(b"x")

    async def look() -> None:
        routes = ModelRoutes(shelf, corrections, Threads(1, "models"), DatabaseThreads(), bodies)
        transport = httpx.ASGITransport(Starlette(routes=routes.routes()))
        async with asyncio.timeout(60), httpx.AsyncClient(transport=transport, base_url="http://studio") as client:
            for answer in await asyncio.gather(*(client.get("/api/models") for _ in range(6))):
                [model] = answer.json()["models"]
                assert (model["file"], model["accuracy"]) == ("a.onnx", None)

    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as unpacking:
        address = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/studio?connect_timeout=600"
        bodies = Bodies(8 << 10, 1 << 20, 20.0, unpacking)
        with Corrections.open(address, at_once=False) as corrections, closing(ModelShelf(places)) as shelf:
            asyncio.run(look())
