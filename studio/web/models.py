"""Models: the candidates, and which is live."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.over_http.bodies import Bodies
from studio.shelf.shelf import ModelShelf
from studio.web.asked import json_object, model_id
from studio.web.blocking import Threads
from studio.web.refusals import json


@dataclass(frozen=True, slots=True)
class ModelRoutes:
    """What is asked of models.

    Attributes:
        shelf: knows them.
        threads: that look for them.
        bodies: reads what is asked with.
    """

    shelf: ModelShelf
    threads: Threads
    bodies: Bodies

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/models", self.models, methods=["GET"]),
            Route("/api/models/rollback", self.roll_back, methods=["POST"]),
        ]

    async def models(self, request: Request) -> Response:
        """All of them, and what was live when."""
        return json(await self.threads.do(self.shelf.models))

    async def roll_back(self, request: Request) -> Response:
        """Has an earlier one be live again."""
        named = model_id(await json_object(request, self.bodies))
        return json({"model_id": await self.threads.do(self.shelf.roll_back, named)})
