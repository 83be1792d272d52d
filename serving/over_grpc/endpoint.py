"""The gRPC side: its services, health, reflection, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from serving.access import Access
from serving.asking import Code, Refused
from serving.core import Core
from serving.messages.pool import POOL
from serving.over_grpc import health, open_inference, reflecting, tensorflow_serving
from serving.over_grpc.calls import Reception, refusing
from serving.over_grpc.observed import Observed
from serving.telemetry.observing import Observer

_ANSWERING = (tensorflow_serving.PREDICTION, tensorflow_serving.MODEL, open_inference.SERVICE)
_SERVICES = (*_ANSWERING, health.SERVICE, reflecting.SERVICE)
_PROMPT_SECONDS = 1.0
"""For messages that are on their way when it is to end."""
_LONGEST_SENDING = 5.0
_LOOK_SECONDS = 0.02
_SLOW_BYTES = 1 << 30
"""Of messages that come slowly."""
_TELLING = 256
"""Calls under way of who asks for health, so that it is told whatever else is asked."""
_WATCHING = 4096
"""Of who watches it: a client that balances its load does so for as long as it is connected."""
_REFLECTING = 32
_SLOWEST_PINGS = 10_000
"""Milliseconds: a client that pings more often is sent away."""
for _file in (health_pb2, reflection_pb2):
    POOL.AddSerializedFile(_file.DESCRIPTOR.serialized_pb)


class Endpoint:
    """A gRPC server on a core, not started yet.

    Args:
        core: answers.
        access: who may ask.
        port: 0 for one that is free.
        max_message: bytes of a request.
        calls: under way at once; more are refused.
        observer: is told of calls that are over; None for nobody.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(
        self, core: Core, access: Access, port: int, max_message: int, calls: int, observer: Observer | None = None
    ) -> None:
        self._core = core
        observed = [Observed(observer)] if observer is not None else []
        self._server = grpc.aio.server(
            interceptors=[*observed, *([_Doorkeeper(access, core)] if access.tokens else [])],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_message),
                ("grpc.max_send_message_length", -1),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _SLOWEST_PINGS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        slow = max(1, _SLOW_BYTES // max_message)
        self._answering = answering = Reception(calls, slow, core.config.room.images)
        self._health = health.Health(
            ("", core.name, *_ANSWERING), asking=Reception(_TELLING, slow=1), watching=Reception(_WATCHING, slow=1)
        )
        services = [
            *tensorflow_serving.services(core, answering),
            *open_inference.services(core, answering),
            self._health.service(),
            reflecting.service(_SERVICES, Reception(_REFLECTING, slow=1)),
        ]
        self._server.add_generic_rpc_handlers(tuple(services))
        self.port = self._listen(access, port)

    async def start(self) -> None:
        """Begins to answer."""
        await self._server.start()

    def tell(self, is_ready: bool) -> None:
        """Has health say whether requests are welcome, of the server and of its model."""
        self._health.tell(is_ready)

    async def stop(self, seconds: float) -> None:
        """Takes no more calls, and waits so long for those under way, a little for their answers to be read."""
        self._health.end()
        stopping = asyncio.create_task(self._server.stop(seconds))
        try:
            await asyncio.wait({stopping}, timeout=_PROMPT_SECONDS)
            while self._answering.calls and not stopping.done():
                await asyncio.sleep(_LOOK_SECONDS)
            # Who never sends a message, or reads none, holds nobody up.
            await asyncio.wait({stopping}, timeout=_LONGEST_SENDING)
        finally:
            stopping.cancel()
        await self._server.stop(0)

    def _listen(self, access: Access, port: int) -> int:
        host = f"[{access.host}]" if ":" in access.host.strip("[]") else access.host
        address = f"{host}:{port}"
        try:
            if access.certificate is None or access.key is None:
                return self._server.add_insecure_port(address)
            authority = access.client_authority.read_bytes() if access.client_authority else None
            credentials = grpc.ssl_server_credentials(
                [(access.key.read_bytes(), access.certificate.read_bytes())], authority, authority is not None
            )
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"{address} cannot be listened at: is it in use?") from error


class _Doorkeeper(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in its types alone
    """Lets in those who bear a token; health is told to anybody."""

    def __init__(self, access: Access, core: Core) -> None:
        self._access = access
        tell = partial(core.refused, protocol="grpc")

        async def refuse(messages: Any, context: Any) -> None:
            async with refusing(context, tell):
                raise Refused(Code.UNAUTHENTICATED, "a token is needed: authorization: Bearer TOKEN")

        self._refusal = grpc.stream_stream_rpc_method_handler(refuse)  # which reads no message

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        if handler_call_details.method.startswith(f"/{health.SERVICE}/"):
            return await continuation(handler_call_details)
        bearer = dict(handler_call_details.invocation_metadata or ()).get("authorization")
        if isinstance(bearer, str) and self._access.admits(bearer):
            return await continuation(handler_call_details)
        return self._refusal
