"""Models: the candidates, and which is live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from databases.errors import StoreUnusable
from models.printable import logger
from serving.over_http.bodies import Bodies
from studio.shelf.shelf import ModelShelf
from studio.store.corrections import Accuracy, Corrections
from studio.web.asked import json_object, model_id
from studio.web.blocking import DatabaseThreads, Threads
from studio.web.refusals import json

_LOGGER = logger(__name__)
_ACCURACY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ModelRoutes:
    """What is asked of models.

    Attributes:
        shelf: knows them.
        corrections: know how many drawings each reads right.
        threads: that look for them.
        asking: that ask the database.
        bodies: reads what is asked with.
    """

    shelf: ModelShelf
    corrections: Corrections
    threads: Threads
    asking: DatabaseThreads
    bodies: Bodies

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/models", self.models, methods=["GET"]),
            Route("/api/models/rollback", self.roll_back, methods=["POST"]),
        ]

    async def models(self, request: Request) -> Response:
        """All of them, and what was live when; without their accuracy where the database does not tell it soon."""
        accuracies: Sequence[Accuracy] = ()
        try:
            accuracies = await self.asking.ask(self.corrections.accuracy, seconds=_ACCURACY_SECONDS)
        except StoreUnusable as error:
            _LOGGER.info("the models are told without their accuracy: %s", error)
        return json(await self.threads.do(self.shelf.models, accuracies))

    async def roll_back(self, request: Request) -> Response:
        """Has an earlier one be live again."""
        named = model_id(await json_object(request, self.bodies))
        return json({"model_id": await self.threads.do(self.shelf.roll_back, named)})
