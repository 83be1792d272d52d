"""Retraining: begun by hand, and what came of earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.over_http.bodies import Bodies
from studio.errors import StudioRefused, Trouble
from studio.relearning.retraining import Retraining
from studio.store.corrections import Corrections
from studio.web.asked import json_object, number
from studio.web.blocking import DatabaseThreads
from studio.web.refusals import json

_MOST = 200


@dataclass(frozen=True, slots=True)
class RetrainingRoutes:
    """What is asked of retraining.

    Attributes:
        retraining: runs it.
        corrections: knows what came of it.
        threads: that ask the database.
        bodies: reads what is asked with.
    """

    retraining: Retraining
    corrections: Corrections
    threads: DatabaseThreads
    bodies: Bodies

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/retraining", self.start, methods=["POST"]),
            Route("/api/retraining/runs", self.runs, methods=["GET"]),
        ]

    async def start(self, request: Request) -> Response:
        """Begins a run, or has one begin after that which is under way."""
        pipeline = (await json_object(request, self.bodies)).get("pipeline", "tuning")
        if pipeline == "tuning":
            self.retraining.start("tuning")
        elif pipeline == "__default__":
            self.retraining.start("__default__")
        else:
            raise StudioRefused(Trouble.BAD_REQUEST, "pipeline must be tuning or __default__")
        return json({"retraining": self.retraining.state}, HTTPStatus.ACCEPTED)

    async def runs(self, request: Request) -> Response:
        """The latest, the newest first."""
        most = number(request, "most", 50, _MOST)
        return json({"runs": list(await self.threads.ask(self.corrections.runs, most))})
