"""What is answered where something is refused, or goes wrong: a word that stays and a line, in JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from databases.errors import StoreUnusable
from models.printable import printable
from serving.asking import Code, Refused
from serving.over_http.bodies import HungUp
from studio.errors import StudioRefused, Trouble
from studio.web.written import as_json

ENDING = "ending"
FORBIDDEN = "forbidden"
INTERNAL = "internal"
LOGIN_NEEDED = "login_needed"
_CLOSING = {"connection": "close"}
"""Where a body may still be coming."""
_WORDS = {
    Code.INVALID_ARGUMENT: Trouble.BAD_REQUEST,
    Code.TOO_LARGE: Trouble.TOO_LARGE,
    Code.RESOURCE_EXHAUSTED: Trouble.TOO_OFTEN,
}


def json(content: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON.

    Args:
        content: as of `as_json`.
    """
    return Response(as_json(content), status, headers, "application/json")


def refusal(word: str, line: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says no.

    Args:
        word: for programs.
        line: for people; shown as it can be printed.
    """
    return json({"error": {"word": str(word), "line": printable(line)}}, status, headers)


async def _not_possible(request: Request, error: Exception) -> Response:
    assert isinstance(error, StudioRefused)
    headers = dict(_CLOSING) if error.trouble in {Trouble.TOO_LARGE, Trouble.DISK_FULL} else {}
    if error.trouble is Trouble.TOO_OFTEN:
        headers["retry-after"] = "1"
    return refusal(error.trouble, str(error), error.trouble.status, headers)


async def _no_database(request: Request, error: Exception) -> Response:
    return refusal(Trouble.DATABASE_UNAVAILABLE, str(error), Trouble.DATABASE_UNAVAILABLE.status, {"retry-after": "5"})


async def _body_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(_WORDS.get(error.code, error.word), error.detail, error.code.http, _CLOSING)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # which nobody reads


async def _nothing_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    line = f"there is no {request.method} {request.url.path[:100]!r}"
    return refusal(Trouble.NOT_FOUND, line, error.status_code, error.headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    """Of which the guard tells on standard error."""
    line = f"something unexpected ({type(error).__name__}), of which the studio's own output tells more"
    return refusal(INTERNAL, line, HTTPStatus.INTERNAL_SERVER_ERROR, _CLOSING)


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    StudioRefused: _not_possible,
    StoreUnusable: _no_database,
    Refused: _body_refused,
    HungUp: _gone,
    HTTPException: _nothing_there,
    Exception: _unexpected,
}
"""By what went wrong, how it is answered."""
