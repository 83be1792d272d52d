"""Drawings: each is saved and asked for, and its answer is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.over_http.bodies import Bodies
from studio.drawing.drawings import Drawing, Drawings
from studio.web.asked import browser_of, drawing_id, number
from studio.web.refusals import json
from studio.web.turns import Turns

MOST_BYTES = 256 << 10
_LONGEST_WAIT = 30


@dataclass(frozen=True, slots=True)
class DrawingRoutes:
    """What is asked of drawings; a browser is told of its own alone.

    Attributes:
        drawings: keeps them.
        turns: threads that decode and save, a browser's drawing at a time.
        bodies: reads pictures, `MOST_BYTES` at most.
        ending: set once nobody is to wait for an answer any more.
        left: is told which drawing a browser is done with, uncorrected; whether that counts as a true label. Quick.
    """

    drawings: Drawings
    turns: Turns
    bodies: Bodies
    ending: asyncio.Event
    left: Callable[[str, str], bool]

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/drawings", self.begin, methods=["POST"]),
            Route("/api/drawings/{drawing}.png", self.picture, methods=["GET"]),
            Route("/api/drawings/{drawing}/answer", self.answer, methods=["GET"]),
            Route("/api/drawings/{drawing}/left", self.leave, methods=["POST"]),
        ]

    async def begin(self, request: Request) -> Response:
        """Takes a picture, and asks the stream."""
        with self.bodies.reading() as reading:
            png = await reading.body(request.receive, dict(request.scope["headers"]))
            browser = browser_of(request)
            made = await self.turns.do(browser, self.drawings.begin, browser, png)
        return json({"drawing": made}, HTTPStatus.CREATED)

    async def answer(self, request: Request) -> Response:
        """What a drawing was read as, once that is known or the time is over."""
        seconds = float(number(request, "wait", 0, _LONGEST_WAIT))
        browser, drawing = browser_of(request), drawing_id(request)
        answer = asyncio.ensure_future(self.drawings.answer(browser, drawing, seconds))
        ending = asyncio.ensure_future(self.ending.wait())
        try:
            await asyncio.wait({answer, ending}, return_when=asyncio.FIRST_COMPLETED)
            return json(_told(answer.result() if answer.done() else self.drawings.find(browser, drawing)))
        finally:
            answer.cancel()
            ending.cancel()

    async def leave(self, request: Request) -> Response:
        """Its author is done with a drawing, and did not correct it."""
        return json({"confirmed": self.left(browser_of(request), drawing_id(request))})

    async def picture(self, request: Request) -> Response:
        """A drawing as the stream saw it."""
        found = self.drawings.find(browser_of(request), drawing_id(request))
        return Response(found.png, media_type="image/png")


def _told(drawing: Drawing) -> dict[str, object]:
    return {
        "drawing": drawing.id,
        "state": drawing.state,
        "label": drawing.label,
        "score": drawing.score,
        "scores": [{"label": label, "score": score} for label, score in drawing.scores],
        "model_id": drawing.model_id,
        "model_name": drawing.model_name,
        "milliseconds": drawing.milliseconds,
        "error": drawing.error,
        "detail": drawing.detail,
    }
