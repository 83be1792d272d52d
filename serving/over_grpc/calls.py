"""What all methods of all services have in common: deadlines, refusals, metadata."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from models.errors import typed_line
from models.printable import logger, printable
from serving.asking import Refused
from serving.over_grpc import wire

_LOGGER = logger(__name__)

_LONGEST_DETAIL = 500
"""Characters: who is told more than some kilobytes of them gets another status in their place."""

Method = Callable[[Any, float], Awaitable[Any]]
"""From a request and its deadline, by the monotonic clock, to the response."""


def deadline_of(context: Any) -> float:
    """When a call's client waits no more, by the monotonic clock."""
    left = context.time_remaining()
    return time.monotonic() + left if left is not None else float("inf")


def handler(request: Any, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    """A unary method whose refusals become statuses.

    Args:
        request: class of its request.
        method: what it does.
    """

    async def call(data: bytes, context: Any) -> Any:
        try:
            return await method(wire.read(request, data), deadline_of(context))
        except Refused as refused:
            await context.abort(
                getattr(grpc.StatusCode, refused.code.grpc), printable(refused.detail[:_LONGEST_DETAIL])
            )
        except Exception as error:
            _LOGGER.exception("a call failed unexpectedly")
            await context.abort(grpc.StatusCode.INTERNAL, printable(typed_line(error)))

    return grpc.unary_unary_rpc_method_handler(call, response_serializer=lambda response: response.SerializeToString())
