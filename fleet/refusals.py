"""What is answered where something is refused, or goes wrong: one line in JSON, which says nothing of the inside."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fleet.addresses import NotMinted
from fleet.errors import FleetError, NoSuchDevice, StoreUnusable
from fleet.polls import NO_TOKEN
from models.printable import printable
from serving.asking import Code, Refused
from serving.over_http.bodies import HungUp

_HEADERS = {
    Code.UNAUTHENTICATED: {"www-authenticate": "Bearer"},
    # Their bodies may still be coming.
    Code.TOO_LARGE: {"connection": "close"},
    Code.TOO_SLOW: {"connection": "close"},
}


class TooOften(Exception):  # noqa: N818 - named for what it says
    """A device asks too often.

    Attributes:
        seconds: until it may ask again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"this device asks too often; again in {math.ceil(seconds)} s")
        self.seconds = seconds


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says no."""
    return JSONResponse({"error": printable(detail)}, status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error.code.http, error.detail, _HEADERS.get(error.code))


async def _too_often(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooOften)
    headers = {"retry-after": str(math.ceil(error.seconds))}
    if request.method != "GET":  # its body may still be coming
        headers["connection"] = "close"
    return refusal(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers)


async def _taken_away(request: Request, error: Exception) -> Response:
    """Between its poll and its answer: as if it had not been there."""
    return await _refused(request, Refused(Code.UNAUTHENTICATED, NO_TOKEN))


async def _no_answer(request: Request, error: Exception) -> Response:
    """What a database or a bucket says is not for devices; the program tells it on standard error."""
    return refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, "this server cannot tell now; ask again in a moment", {"retry-after": "10"}
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    """What the server's log tells whole."""
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"something unexpected: {type(error).__name__}")


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)  # which nobody reads


async def _no_such_method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, f"there is no {request.method} {request.url.path[:100]!r}", error.headers)


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    Refused: _refused,
    TooOften: _too_often,
    NoSuchDevice: _taken_away,
    FleetError: _no_answer,  # which rounds tell of
    StoreUnusable: _no_answer,
    NotMinted: _no_answer,  # which whoever makes addresses tells of
    HungUp: _gone,
    HTTPException: _no_such_method,
    Exception: _unexpected,
}
"""By what went wrong, how it is answered."""
