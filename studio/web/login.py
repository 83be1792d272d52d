"""Where a token is given, once, for a session."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from serving.access import Access
from serving.over_http.bodies import Bodies
from studio.web.assets import Assets
from studio.web.guard import client_of, too_many_guesses
from studio.web.guesses import Guesses
from studio.web.refusals import LOGIN_NEEDED, refusal
from studio.web.sessions import Sessions

_PAGE = "login.html"
_HEADERS = {"referrer-policy": "same-origin"}
"""With none at all a browser would not say which page sends the form."""
_EMPTY = b'role="alert"></p>'
_WRONG = "this is no token of this studio"


@dataclass(frozen=True, slots=True)
class Login:
    """Gives browsers their sessions.

    Attributes:
        access: of it the tokens; without any there is nothing to log in to.
        sessions: makes the cookie.
        guesses: counts wrong tokens.
        assets: has the form.
        bodies: reads it.
    """

    access: Access
    sessions: Sessions
    guesses: Guesses
    assets: Assets
    bodies: Bodies

    def routes(self) -> list[Route]:
        """What is answered."""
        return [
            Route("/login", self.page, methods=["GET"]),
            Route("/login", self.log_in, methods=["POST"]),
        ]

    async def page(self, request: Request) -> Response:
        """The form."""
        if not self.access.tokens:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        return self._form()

    async def log_in(self, request: Request) -> Response:
        """Looks at a token; a right one makes a session, with which the page opens."""
        with self.bodies.reading() as reading:
            body = await reading.body(request.receive, dict(request.scope["headers"]))
        token = self.sessions.token(_given(body))
        if token is None:
            if waits := self.guesses.was_wrong(client_of(request.scope)):
                return too_many_guesses(waits)
            # A form that a script did not send.
            if "text/html" in request.headers.get("accept", ""):
                return self._form(_WRONG, HTTPStatus.UNAUTHORIZED)
            return refusal(LOGIN_NEEDED, _WRONG, HTTPStatus.UNAUTHORIZED)
        cookie = self.sessions.cookie(self.sessions.begin(), token)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER, {"set-cookie": cookie})

    def _form(self, line: str = "", status: int = HTTPStatus.OK) -> Response:
        page = self.assets.files[_PAGE].content
        told = page.replace(_EMPTY, b'role="alert">%s</p>' % line.encode())
        return Response(told, status, _HEADERS, "text/html")


def _given(body: bytes) -> str:
    """The token of a form; "" where it has none."""
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=4)
    except ValueError:
        fields = {}
    return fields.get("token", [""])[0].strip()
