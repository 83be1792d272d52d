"""What happens in the stream: as events, and the last hour of it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from studio.errors import StudioRefused, Trouble
from studio.stream.figures import Figures
from studio.web.asked import browser_of, other_id
from studio.web.blocking import Threads
from studio.web.guard import client_of
from studio.web.listeners import Listeners, Listening
from studio.web.refusals import FORBIDDEN, json, refusal
from studio.web.sessions import Sessions
from studio.web.standing import Standing

_COMMENT_SECONDS = 15
_STALL_SECONDS = 60.0
"""For which a listener may take nothing, though there is something for it."""


class _Events(EventSourceResponse):
    """A stream of events; who does not read is left."""

    def __init__(self, listening: Listening) -> None:
        super().__init__(
            listening,
            ping=_COMMENT_SECONDS,
            ping_message_factory=_comment,
            sep="\n",
            send_timeout=_STALL_SECONDS,
        )
        self._listening = listening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return
        finally:
            self._listening.leave()


@dataclass(frozen=True, slots=True)
class StreamRoutes:
    """What is asked of the stream.

    Attributes:
        standing: how things stand.
        sessions: makes the word against forged requests.
        listeners: told of events.
        figures: of the last hour.
        threads: that read pictures of dead letters.
    """

    standing: Standing
    sessions: Sessions
    listeners: Listeners
    figures: Figures
    threads: Threads

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/events", self.events, methods=["GET"]),
            Route("/api/stream/history", self.history, methods=["GET"]),
            Route("/api/dead-letters/{letter}.png", self.picture, methods=["GET"]),
        ]

    async def health(self, request: Request) -> Response:
        """That the studio lives."""
        return json({"status": "ok"})

    async def state(self, request: Request) -> Response:
        """How things stand, and the word that the page sends along from now on."""
        return json(self.standing.now() | {"csrf": self.sessions.csrf(request.state.session)})

    async def events(self, request: Request) -> Response:
        """What happens from now on, for who is known: whoever came without a cookie would be another each time."""
        if request.state.session.is_new:
            return refusal(FORBIDDEN, "events are told to pages that are open; open / first", HTTPStatus.FORBIDDEN)
        return _Events(self.listeners.listen(browser_of(request), client_of(request.scope)))

    async def history(self, request: Request) -> Response:
        """The last hour."""
        return json(await self.threads.do(self.figures.history))

    async def picture(self, request: Request) -> Response:
        """The image of a dead letter, where there is one."""
        found = await self.threads.do(self.figures.picture, other_id(request, "letter"))
        if found is None:
            raise StudioRefused(Trouble.NOT_FOUND, "of this dead letter there is no picture")
        return Response(found, media_type="image/png")


def _comment() -> ServerSentEvent:
    return ServerSentEvent(comment="still here", sep="\n")
