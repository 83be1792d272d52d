"""The server's HTTP side as an ASGI application: both APIs, metrics, and a description of them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from serving.access import Access
from serving.core import Core
from serving.metrics import CONTENT_TYPE
from serving.over_http import open_inference, tensorflow_serving
from serving.over_http.bodies import Bodies
from serving.over_http.calls import Call, Request, Response, error_response

_DESCRIPTION = Path(__file__).with_name("openapi.json")
_THREADS = 2
"""That parse large bodies: each may hold a multiple of them in memory meanwhile."""


def application(
    core: Core,
    access: Access,
    max_body: int = 64 << 20,
    body_seconds: float = 30.0,
    all_bodies: int = 512 << 20,
) -> Starlette:
    """All of the HTTP side; to be run on the core's event loop.

    Args:
        core: that answers.
        access: who may ask; whether the server lives and is ready is told to anybody.
        max_body: bytes of a body, as it comes and as it is unpacked.
        body_seconds: that a body may take to come.
        all_bodies: bytes of all bodies that are held at once; more are refused until others are done.
    """
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="http")
    bodies = Bodies(max_body, max(max_body, all_bodies), body_seconds, threads)
    description = _description(core.name)
    refused = partial(core.refused, protocol="http")

    async def metrics(request: Request) -> Response:
        return Response(await asyncio.to_thread(core.metrics.text), kind=CONTENT_TYPE.encode())

    async def openapi(request: Request) -> Response:
        return Response(description)

    return Starlette(
        routes=[
            *tensorflow_serving.routes(core, access, bodies),
            *open_inference.routes(core, access, bodies),
            Route("/metrics", Call(metrics, access, refused=refused), methods=["GET"]),
            Route("/openapi.json", Call(openapi, access, refused=refused), methods=["GET"]),
        ],
        exception_handlers={HTTPException: _no_such_method},
    )


def _description(name: str) -> bytes:
    """The API in OpenAPI's words, of models of one name."""
    document = orjson.loads(_DESCRIPTION.read_bytes())
    document["components"]["parameters"]["name"]["schema"]["enum"] = [name]
    return orjson.dumps(document)


async def _no_such_method(request: StarletteRequest, error: Exception) -> StarletteResponse:
    assert isinstance(error, HTTPException)
    told = error_response(
        error.status_code,
        f"there is no {request.method} {request.url.path[:100]!r}; /openapi.json tells what there is",
    )
    return StarletteResponse(told.body, told.status, dict(error.headers or {}), "application/json")
