"""Has calls over gRPC told of, where that is asked for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc

from serving.over_grpc import health, open_inference
from serving.telemetry.call import LONGEST_TEXT, Call, answering
from serving.telemetry.observing import Observer

_PROBES = (
    f"/{health.SERVICE}/",
    *(f"/{open_inference.SERVICE}/{name}" for name in ("ServerLive", "ServerReady", "ModelReady")),
)
_Method = Callable[[Any, Any], Awaitable[Any]]
"""From messages and a context to the response."""


class Observed(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in its types alone
    """Tells of each call with one response once it is over, and of streams that are refused.

    What gRPC itself turns away, a message that is too large, it never sees.

    Args:
        observer: is told.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """See `grpc.aio.ServerInterceptor`."""
        method: str = handler_call_details.method
        call = Call("grpc", method.removeprefix("/")[:LONGEST_TEXT], "", "", method.startswith(_PROBES))
        metadata = handler_call_details.invocation_metadata or ()
        call.take_headers({name: value for name, value in metadata if isinstance(value, str)})
        inner = await continuation(handler_call_details)
        if inner is None:
            call.error = "unimplemented"
            self._observer.over(call, "UNIMPLEMENTED")
            return None
        if inner.stream_unary is not None:
            answer = self._observed(inner.stream_unary, call)
            return grpc.stream_unary_rpc_method_handler(answer, inner.request_deserializer, inner.response_serializer)
        if inspect.iscoroutinefunction(inner.stream_stream):
            answer = self._observed(inner.stream_stream, call, is_stream=True)
            return grpc.stream_stream_rpc_method_handler(answer, inner.request_deserializer, inner.response_serializer)
        return inner

    def _observed(self, method: _Method, call: Call, is_stream: bool = False) -> _Method:
        """A method that is told of once it is over; a stream where it is refused alone."""

        async def answer(messages: Any, given: Any) -> Any:
            context = _Noting(given, call)
            call.client = _address(context.peer())
            answering(call)
            try:
                response = await method(messages, context)
            except asyncio.CancelledError:
                call.error = "cancelled"
                if not is_stream:
                    self._observer.over(call, "CANCELLED")
                raise
            except BaseException:
                call.error = call.error or context.aborted.lower()
                self._observer.over(call, context.aborted)
                raise
            if not is_stream:
                self._observer.over(call, "OK")
            return response

        return answer


class _Noting:
    """A call's context, which notes what is read, and how the call is aborted: gRPC's own tells nobody.

    Attributes:
        aborted: the code, by its name.
    """

    def __init__(self, context: Any, call: Call) -> None:
        self._context = context
        self._call = call
        self.aborted = grpc.StatusCode.UNKNOWN.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self) -> Any:
        message = await self._context.read()
        if isinstance(message, bytes):
            self._call.size += len(message)
        return message

    async def abort(self, code: grpc.StatusCode, *more: Any, **named: Any) -> None:
        self.aborted = code.name
        await self._context.abort(code, *more, **named)


def _address(peer: str) -> str:
    """Of `ipv4:127.0.0.1:50000` or `ipv6:[::1]:50000`, the address."""
    family, _, rest = peer.partition(":")
    return unquote(rest).rpartition(":")[0].strip("[]") if family in ("ipv4", "ipv6") else peer
