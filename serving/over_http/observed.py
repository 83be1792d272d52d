"""Has requests over HTTP told of, where that is asked for."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.telemetry.call import CLIENT_GONE, LONGEST_TEXT, Call, answering
from serving.telemetry.observing import Observer


class Observed:
    """An application whose requests are told of once they are over.

    Args:
        application: answers them.
        observer: is told.
    """

    def __init__(self, application: ASGIApp, observer: Observer) -> None:
        self._application = application
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        call = _call(scope)
        status = 0

        async def counted() -> Message:
            message = await receive()
            call.size += len(message.get("body", b""))
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        answering(call)
        try:
            await self._application(scope, counted, watched)
        except BaseException:
            status = status or 500
            raise
        finally:
            call.route = getattr(scope.get("route"), "path_format", "")
            if not status:
                call.error = call.error or "cancelled"
            self._observer.over(call, status or CLIENT_GONE)


def _call(scope: Scope) -> Call:
    path = scope["path"]
    client = scope.get("client") or ("",)
    is_probe = path == "/metrics" or path.startswith("/v2/health/") or path.endswith("/ready")
    call = Call("http", scope["method"], path[:LONGEST_TEXT], client[0], is_probe)
    call.take_headers({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
    return call
