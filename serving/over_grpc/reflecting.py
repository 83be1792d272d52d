"""Reflection, `grpc.reflection.v1alpha`: what services there are, and of what messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from serving.asking import Code, Refused
from serving.messages.pool import POOL
from serving.over_grpc import wire
from serving.over_grpc.calls import Reception, refusing

_LONGEST_SECONDS = 60.0
SERVICE = reflection.SERVICE_NAME


def service(names: Sequence[str], reception: Reception) -> grpc.GenericRpcHandler[Any, Any]:
    """The service.

    Args:
        names: of all services.
        reception: takes its calls in.
    """
    told: Any = reflection.aio.ReflectionServicer(names, pool=POOL)  # type: ignore[attr-defined]

    async def read(messages: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for data in messages:
            yield wire.read(ServerReflectionRequest, data)

    async def info(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        async with refusing(context):
            with reception.call():
                try:
                    async with asyncio.timeout(_LONGEST_SECONDS):
                        async for response in told.ServerReflectionInfo(read(messages), context):
                            yield response
                except TimeoutError:
                    raise Refused(Code.TOO_SLOW, f"more than {_LONGEST_SECONDS:.0f} s of questions") from None

    described = grpc.stream_stream_rpc_method_handler(
        info, response_serializer=ServerReflectionResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"ServerReflectionInfo": described})
