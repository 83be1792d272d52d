"""All that the studio answers over HTTP, put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from starlette.applications import Starlette
from starlette.routing import Route

from serving.access import Access
from studio.web.guard import Guard
from studio.web.guesses import Guesses
from studio.web.hosts import Hosts
from studio.web.refusals import HANDLERS
from studio.web.sessions import Sessions


class Routes(Protocol):
    """One part of it."""

    def routes(self) -> list[Route]:
        """What it answers."""


def application(parts: Iterable[Routes], access: Access, sessions: Sessions, guesses: Guesses) -> Guard:
    """What listens; to be run on one event loop.

    Args:
        parts: whose routes are answered.
        access: who may come in.
        sessions: knows who asks.
        guesses: counts wrong tokens.
    """
    routes = [route for part in parts for route in part.routes()]
    answering = Starlette(routes=routes, exception_handlers=dict(HANDLERS))
    # To an address made of whatever `Host` says.
    answering.router.redirect_slashes = False
    return Guard(answering, access, Hosts(access), sessions, guesses)
