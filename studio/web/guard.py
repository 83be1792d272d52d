"""Stands before all that is answered: lets in who may, and sees to it that nothing goes out without its headers."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import one_line
from models.printable import logger
from serving.access import Access
from studio.errors import Trouble
from studio.web.guesses import Guesses
from studio.web.hosts import Hosts, is_foreign
from studio.web.refusals import ENDING, FORBIDDEN, INTERNAL, LOGIN_NEEDED, refusal
from studio.web.security_headers import with_security
from studio.web.sessions import Session, Sessions

_LOGGER = logger(__name__)
_API = "/api/"
_PAGE = "/"
_BEGINNING = frozenset({_PAGE, "/api/state"})
"""What is asked first, and alone: two cookies at once would make two browsers of one."""
_HARMLESS = frozenset({"GET", "HEAD"})
_FROM_ELSEWHERE = b"""<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
<title>hotswap studio</title><p><a href="/">To the studio</a></p>
"""
"""A browser that another site's link leads here keeps its cookie back; it sends it to where this page leads."""


@dataclass(frozen=True, slots=True)
class Guard:
    """An application of ASGI around another, whose requests carry a `Session` in their `state.session`.

    Attributes:
        inner: answers what is let in.
        access: of it the tokens.
        hosts: knows by which names this studio is asked.
        sessions: knows who asks.
        guesses: counts wrong tokens.
    """

    inner: ASGIApp
    access: Access
    hosts: Hosts
    sessions: Sessions
    guesses: Guesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        cookie: list[tuple[bytes, bytes]] = []
        begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*with_security(message.get("headers", ())), *cookie]}
            await send(message)

        found = self._admitted(scope, headers)
        try:
            if isinstance(found, Response):
                await found(scope, receive, send_with_headers)
                return
            scope.setdefault("state", {})["session"] = found
            if found.is_new and scope["path"] in _BEGINNING:
                cookie.append((b"set-cookie", self.sessions.cookie(found).encode()))
            await self.inner(scope, receive, send_with_headers)
        except asyncio.CancelledError:
            # The studio ends, and has waited long enough.
            if not begun:
                ending = refusal(ENDING, "the studio is ending; start it again", HTTPStatus.SERVICE_UNAVAILABLE)
                await ending(scope, receive, send_with_headers)
        except Exception as error:
            _tell(scope, error)
            if not begun:
                sorry = refusal(INTERNAL, "something unexpected", HTTPStatus.INTERNAL_SERVER_ERROR)
                await sorry(scope, receive, send_with_headers)

    def _admitted(self, scope: Scope, headers: Mapping[str, str]) -> Session | Response:
        """Who asks; or the answer where they may not."""
        host = headers.get("host", "")
        if sum(name == b"host" for name, _ in scope["headers"]) != 1 or not self.hosts.is_meant(host):
            return _forbidden(
                f"{host[:100]!r} is no name of this studio; ask it by an address, or by the --host that it was given"
            )
        path, harmless = scope["path"], scope["method"] in _HARMLESS
        if not harmless and not self.hosts.is_own_page(headers):
            return _forbidden("this can be asked by the studio's own page alone")
        if path.startswith(_API) and is_foreign(headers):
            return _forbidden("this is told to the studio's own page alone")
        if path != _PAGE and not path.startswith(_API):
            return Session("")
        found = self._session(scope, headers)
        if isinstance(found, Response) or harmless or found.is_program:
            return found
        if found.is_new or not self.sessions.is_csrf(found, headers.get("x-csrf-token", "")):
            return _forbidden("the X-CSRF-Token of /api/state is missing or of another session; reload the page")
        return found

    def _session(self, scope: Scope, headers: Mapping[str, str]) -> Session | Response:
        if self.access.tokens and "authorization" in headers:
            return self._program(scope, headers["authorization"])
        if session := self.sessions.known(headers.get("cookie", "")):
            return session
        if scope["path"] == _PAGE and is_foreign(headers):
            return Response(_FROM_ELSEWHERE, media_type="text/html")
        if not self.access.tokens:
            return self.sessions.begin()
        if scope["path"] == _PAGE:
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        return refusal(LOGIN_NEEDED, "log in at /login, or send Authorization: Bearer TOKEN", HTTPStatus.UNAUTHORIZED)

    def _program(self, scope: Scope, authorization: str) -> Session | Response:
        scheme, _, given = authorization.partition(" ")
        token = self.sessions.token(given.strip())
        if token is None or scheme.lower() != "bearer":
            # Only now: whoever has a token comes in, whatever others try from the same address.
            if waits := self.guesses.was_wrong(client_of(scope)):
                return too_many_guesses(waits)
            headers = {"www-authenticate": "Bearer", "connection": "close"}
            return refusal(LOGIN_NEEDED, "this is no token of this studio", HTTPStatus.UNAUTHORIZED, headers)
        return self.sessions.of_program(token)


def client_of(scope: Scope) -> str:
    """The address of whoever asks."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def too_many_guesses(seconds: float) -> Response:
    """The answer to tokens that come too often."""
    waits = math.ceil(seconds)
    headers = {"retry-after": str(waits), "connection": "close"}
    line = f"too many wrong tokens; again in {waits} s"
    return refusal(Trouble.TOO_OFTEN, line, HTTPStatus.TOO_MANY_REQUESTS, headers)


def _forbidden(line: str) -> Response:
    return refusal(FORBIDDEN, line, HTTPStatus.FORBIDDEN, {"connection": "close"})


def _tell(scope: Scope, error: Exception) -> None:
    """Says what nobody foresaw, in a line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "somewhere"
    kind = type(error).__name__
    _LOGGER.error("%s %s: %s: %s, at %s", scope["method"], scope["path"][:100], kind, one_line(error), where)
