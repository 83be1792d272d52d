"""Corrections: made, taken back, listed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.over_http.bodies import Bodies
from studio.drawing.drawings import Drawings
from studio.errors import StudioRefused
from studio.store.corrections import Correction, Corrections, NewCorrection
from studio.web.asked import browser_of, digit, drawing_id, json_object, number
from studio.web.blocking import DatabaseThreads
from studio.web.refusals import json
from studio.web.standing import Counted, Standing, counts_told

_MOST = 200


@dataclass(frozen=True, slots=True)
class CorrectionRoutes:
    """What is asked of corrections. A browser corrects its own drawings, and sees those of all.

    Attributes:
        corrections: keeps them.
        drawings: knows what was drawn.
        standing: counts them, and is told.
        threads: that ask the database.
        bodies: reads what is asked with.
        corrected: is called after each; quick.
        labelled: is told what a browser's drawing shows in truth; quick.
        retrain_after: as it is told to pages.
    """

    corrections: Corrections
    drawings: Drawings
    standing: Standing
    threads: DatabaseThreads
    bodies: Bodies
    corrected: Callable[[], None]
    labelled: Callable[[str, str, int], object]
    retrain_after: int

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/drawings/{drawing}/correction", self.correct, methods=["PUT"]),
            Route("/api/drawings/{drawing}/correction", self.take_back, methods=["DELETE"]),
            Route("/api/corrections", self.latest, methods=["GET"]),
        ]

    async def correct(self, request: Request) -> Response:
        """Keeps what a drawing shows in truth; the last word counts."""
        browser, drawing = browser_of(request), drawing_id(request)
        label = digit(await json_object(request, self.bodies))
        found = self.drawings.find(browser, drawing)
        answered = found.state == "answered"
        new = NewCorrection(
            drawing=drawing,
            png=found.png,
            label=label,
            answer=found.label if answered else None,
            score=found.score if answered else None,
            model_id=found.model_id if answered else None,
            browser=browser,
        )

        def keep() -> Counted:
            self.corrections.correct(new)
            return self.standing.count()

        counted = await self.threads.ask(keep)
        with suppress(StudioRefused):  # it was forgotten meanwhile
            self.labelled(browser, drawing, label)
        return self._counted(counted)

    async def take_back(self, request: Request) -> Response:
        """Forgets a correction; one that is gone already, too."""
        browser, drawing = browser_of(request), drawing_id(request)

        def forget() -> Counted:
            self.corrections.take_back(drawing, browser)
            return self.standing.count()

        return self._counted(await self.threads.ask(forget))

    async def latest(self, request: Request) -> Response:
        """Those of all browsers, the newest first."""
        most = number(request, "most", 50, _MOST)
        before = number(request, "before", 0, 1 << 62) or None
        browser = browser_of(request)
        found = await self.threads.ask(self.corrections.latest, most, before)
        return json({"corrections": [_told(each, browser) for each in found]})

    def _counted(self, counted: Counted) -> Response:
        self.standing.take(counted)
        self.corrected()
        return json({"corrections": counts_told(counted.counts, self.retrain_after)})


def _told(correction: Correction, browser: str) -> dict[str, object]:
    return {
        "number": correction.number,
        "drawing": correction.drawing,
        "png": base64.b64encode(correction.png).decode("ascii"),
        "label": correction.label,
        "answer": correction.answer,
        "score": correction.score,
        "model_id": correction.model_id,
        "unseen": correction.unseen,
        "time": correction.time,
        "mine": correction.browser == browser,
    }
