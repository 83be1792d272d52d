"""The HTTP side of the server."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving.access import Access
from serving.core import Core
from serving.metrics import CONTENT_TYPE


def application(core: Core, access: Access, max_body: int) -> Starlette:
    """What answers over HTTP, on a core."""

    async def live(request: Request) -> Response:
        return PlainTextResponse("live")

    async def ready(request: Request) -> Response:
        return PlainTextResponse("ready") if core.is_ready else PlainTextResponse("not ready", 503)

    async def metrics(request: Request) -> Response:
        return Response(core.metrics.text(), media_type=CONTENT_TYPE)

    return Starlette(
        routes=[Route("/v2/health/live", live), Route("/v2/health/ready", ready), Route("/metrics", metrics)]
    )
