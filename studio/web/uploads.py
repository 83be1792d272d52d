"""Model files that people send: taken in, vetted, and published or dropped."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from studio.errors import StudioRefused, Trouble
from studio.shelf.shelf import ModelShelf
from studio.web.asked import file_name, other_id
from studio.web.blocking import Threads
from studio.web.receiving import Receiving
from studio.web.refusals import json


@dataclass(frozen=True, slots=True)
class UploadRoutes:
    """What is asked of uploads.

    Attributes:
        shelf: vets and publishes.
        threads: that wait for it.
        receiving: takes files in.
        at_once: how many are on their way at once.
    """

    shelf: ModelShelf
    threads: Threads
    receiving: Receiving
    at_once: asyncio.Semaphore

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/uploads", self.take, methods=["POST"]),
            Route("/api/uploads/{upload}", self.told, methods=["GET"]),
            Route("/api/uploads/{upload}", self.drop, methods=["DELETE"]),
            Route("/api/uploads/{upload}/publish", self.publish, methods=["POST"]),
        ]

    async def take(self, request: Request) -> Response:
        """Takes a file in; vetting begins."""
        name = file_name(request)
        if self.at_once.locked():
            raise StudioRefused(Trouble.TOO_OFTEN, "other files are on their way; send this one in a moment")
        async with self.at_once, self.receiving.file(request.receive, dict(request.scope["headers"])) as file:
            made = await self.threads.do(self.shelf.take_upload, name, file)
        return json({"upload": made}, HTTPStatus.ACCEPTED)

    async def told(self, request: Request) -> Response:
        """What vetting says."""
        return json(await self.threads.do(self.shelf.upload, other_id(request, "upload")))

    async def publish(self, request: Request) -> Response:
        """Has an accepted file be a model."""
        return json({"model_id": await self.threads.do(self.shelf.publish_upload, other_id(request, "upload"))})

    async def drop(self, request: Request) -> Response:
        """Forgets one, and its file."""
        await self.threads.do(self.shelf.drop_upload, other_id(request, "upload"))
        return json({})
