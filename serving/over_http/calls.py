"""What all calls over HTTP have in common: bodies, deadlines, clients that hang up, refusals."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from starlette.types import Receive, Scope, Send

from models.errors import typed_line
from models.printable import logger, printable
from serving.access import Access
from serving.asking import Code, Refused
from serving.open_inference_tensors import version_in
from serving.over_http.bodies import Bodies, HungUp

_LOGGER = logger(__name__)

JSON = b"application/json"
TIMEOUT = b"x-request-timeout"
"""The header that says how many seconds a client waits for its answer."""
_HEADERS = {
    Code.UNAUTHENTICATED: (b"www-authenticate", b"Bearer"),
    # Their bodies may still be coming.
    Code.TOO_LARGE: (b"connection", b"close"),
    Code.TOO_SLOW: (b"connection", b"close"),
}


class Request(NamedTuple):
    """What a client sends.

    Attributes:
        params: of the path.
        headers: names in lower case; of one that comes twice, the last.
        body: whole and unpacked; b"" where the method has none.
        deadline: by the monotonic clock, in seconds.
    """

    params: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    body: bytes
    deadline: float

    @property
    def name(self) -> str:
        """Of the model, in the path."""
        return self.params["name"]

    @property
    def version(self) -> int | None:
        """In the path; None where there is none.

        Raises:
            Refused: `NOT_FOUND`: no version is called so.
        """
        return version_in(self.params.get("version", ""))

    @property
    def label(self) -> str:
        """In the path; "" where there is none."""
        return self.params.get("label", "")


class Response(NamedTuple):
    """What it gets.

    Attributes:
        body: of it.
        status: of HTTP.
        kind: its content type.
        headers: beside its type and length.
    """

    body: bytes
    status: int = HTTPStatus.OK
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


Method = Callable[[Request], Awaitable[Response]]


def json_response(value: Any, status: int = HTTPStatus.OK) -> Response:
    """A value as JSON; arrays of numbers may be in it."""
    return Response(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status)


def error_response(status: int, detail: str) -> Response:
    """Why there is no answer, in one line."""
    return json_response({"error": printable(detail)}, status)


async def respond(send: Send, response: Response) -> None:
    """Sends all of a response."""
    headers = [(b"content-type", response.kind), (b"content-length", b"%d" % len(response.body)), *response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


class Call:
    """One method of an API, as an ASGI application.

    Args:
        method: what it does; one with a body is cancelled when the client hangs up.
        access: who may ask; None for anybody.
        bodies: reads its body; None for a method that has none.
        refused: is told of each request that has no answer.
    """

    def __init__(
        self, method: Method, access: Access | None, bodies: Bodies | None = None, *, refused: Callable[[Refused], None]
    ) -> None:
        self._method = method
        self._refused = refused
        self._access = access
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._response(scope, receive)
        except HungUp:
            return
        except Refused as refused:
            self._refused(refused)
            response = error_response(refused.code.http, refused.detail)
            if refused.code in _HEADERS:
                response = response._replace(headers=(_HEADERS[refused.code],))
        except Exception as error:
            _LOGGER.exception("a call failed unexpectedly")
            unexpected = Refused(Code.INTERNAL, typed_line(error))
            self._refused(unexpected)
            response = error_response(unexpected.code.http, unexpected.detail)
        await respond(send, response)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        if self._access is not None and not self._access.admits(headers.get(b"authorization", b"").decode("latin-1")):
            raise Refused(Code.UNAUTHENTICATED, "a token is needed: Authorization: Bearer TOKEN")
        deadline = _deadline(headers)
        params: Mapping[str, str] = scope["path_params"]
        if self._bodies is None:
            return await self._method(Request(params, headers, b"", deadline))
        with self._bodies.reading() as reading:
            body = await reading.body(receive, headers)
            return await _while_connected(self._method(Request(params, headers, body, deadline)), receive)


async def _while_connected(response: Awaitable[Response], receive: Receive) -> Response:
    """A response, unless the client hangs up before.

    Raises:
        HungUp: it did; what made the response is cancelled.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await response
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise HungUp from None
    finally:
        watching.cancel()


def _deadline(headers: Mapping[bytes, bytes]) -> float:
    text = headers.get(TIMEOUT)
    if text is None:
        return math.inf
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise Refused(Code.INVALID_ARGUMENT, "X-Request-Timeout is a number of seconds above 0")
    return time.monotonic() + seconds
