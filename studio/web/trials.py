"""Trials: how the one under way stands, and its end by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.trials.trial import Outcome
from serving.over_http.bodies import Bodies
from studio.shelf.trials import Trials
from studio.web.asked import json_object, trial_number
from studio.web.blocking import Threads
from studio.web.refusals import json


@dataclass(frozen=True, slots=True)
class TrialRoutes:
    """What is asked of trials.

    Attributes:
        trials: those of the stream.
        threads: that look at them.
        bodies: reads what is asked with.
        ended: is called once one was ended by hand; quick.
    """

    trials: Trials
    threads: Threads
    bodies: Bodies
    ended: Callable[[], None]

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/trial", self.now, methods=["GET"]),
            Route("/api/trial/promote", self.promote, methods=["POST"]),
            Route("/api/trial/abort", self.abort, methods=["POST"]),
        ]

    async def now(self, request: Request) -> Response:
        """The one that is under way, or ended last."""
        return json(await self.threads.do(self.trials.now))

    async def promote(self, request: Request) -> Response:
        """Has the new model answer everything."""
        return await self._end(request, "promoted")

    async def abort(self, request: Request) -> Response:
        """Has the old one go on, and the new one not be tried again."""
        return await self._end(request, "rolled_back")

    async def _end(self, request: Request, outcome: Outcome) -> Response:
        number = trial_number(await json_object(request, self.bodies, may_be_empty=True))
        told = await self.threads.do(self.trials.end, outcome, number)
        self.ended()
        return json(told)
