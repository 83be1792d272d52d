"""gRPC's health service, `grpc.health.v1.Health`: whether requests are welcome, asked or watched.

The one that `grpcio-health-checking` brings forgets all who watch when one of them goes, and waits for the slowest of
them whenever something changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.asking import Code, Refused
from serving.over_grpc import wire
from serving.over_grpc.calls import Reception, handler, refusing

SERVICE = "grpc.health.v1.Health"
_LONGEST_TELLING = 5.0
"""Seconds for one who watches to take in what is told."""


class Health:
    """Tells of the server and of the services and models in it, all of which are in one state.

    Args:
        names: of them; "" for the server.
        asking: takes in who asks.
        watching: takes in who watches, for as long as they like: so they are never in the way of who asks.
    """

    def __init__(self, names: Sequence[str], asking: Reception, watching: Reception) -> None:
        self._names = frozenset(names)
        self._asking = asking
        self._watching = watching
        self._serving = False
        self._ended = False
        self._changed = asyncio.Event()

    def service(self) -> grpc.GenericRpcHandler[Any, Any]:
        """The service."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": handler(self._asking, HealthCheckRequest, self._check),
                "Watch": grpc.stream_stream_rpc_method_handler(
                    self._watch, response_serializer=HealthCheckResponse.SerializeToString
                ),
            },
        )

    def tell(self, is_serving: bool) -> None:
        """Takes in whether requests are welcome, and tells who watches."""
        self._serving = is_serving
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Lets go of who watches."""
        self._ended = True
        self.tell(False)

    async def _check(self, request: Any, deadline: float) -> Any:
        if request.service not in self._names:
            raise Refused(Code.NOT_FOUND, f"there is no service {request.service[:100]!r}")
        return HealthCheckResponse(status=self._status(request.service))

    async def _watch(self, messages: Any, context: Any) -> None:
        async with refusing(context):
            request = wire.read(HealthCheckRequest, await self._watching.message(context))
            with self._watching.call():
                await self._keep_telling(request.service, context)

    async def _keep_telling(self, name: str, context: Any) -> None:
        told = None
        while True:
            changed, status = self._changed, self._status(name)
            if status != told:
                told = status
                try:
                    async with asyncio.timeout(_LONGEST_TELLING):
                        await context.write(HealthCheckResponse(status=status))
                except TimeoutError:
                    raise asyncio.CancelledError from None  # no status can be sent behind what is not taken in
            if self._ended:
                return
            await changed.wait()

    def _status(self, name: str) -> Any:
        if name not in self._names:
            return HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse.SERVING if self._serving else HealthCheckResponse.NOT_SERVING
