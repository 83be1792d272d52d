"""Parts of a page that need nothing else: what the guard lets through, told as it is."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.access import Access
from serving.over_http.bodies import Bodies
from studio.web.application import Routes
from studio.web.asked import browser_of, json_object
from studio.web.assets import read_assets
from studio.web.guesses import Guesses
from studio.web.login import Login
from studio.web.refusals import json
from studio.web.sessions import Sessions

LARGEST = 1000


@dataclass
class Told:
    """Tells who asks, and what with.

    Attributes:
        sessions: of it the word against forged requests.
        bodies: reads what is asked with.
    """

    sessions: Sessions
    bodies: Bodies

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/told", self.told, methods=["POST", "PUT", "DELETE"]),
            Route("/api/broken", self.broken, methods=["GET"]),
        ]

    async def state(self, request: Request) -> Response:
        """As the true one, of it what every client needs."""
        return json({"csrf": self.sessions.csrf(request.state.session), "browser": browser_of(request)})

    async def told(self, request: Request) -> Response:
        """What it was asked with."""
        return json({"given": await json_object(request, self.bodies), "browser": browser_of(request)})

    async def broken(self, request: Request) -> Response:
        """Raises what nobody foresaw."""
        raise RuntimeError("the inside of it:\nsecret")


def small_parts(page: Path, seconds: float = 20.0):
    """Makes them, and the page of a folder."""

    def parts(access: Access, sessions: Sessions, guesses: Guesses) -> Sequence[Routes]:
        bodies = Bodies(LARGEST, 10 * LARGEST, seconds, ThreadPoolExecutor(1))
        assets = read_assets(page)
        return [assets, Login(access, sessions, guesses, assets, bodies), Told(sessions, bodies)]

    return parts
