"""However many watch whether the server is well, who asks is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from serving.over_grpc.calls import Reception
from serving.over_grpc.health import Health
from tests.serving.over_grpc.conftest import Served
from tests.serving.over_grpc.speaking import speaking

SERVING = HealthCheckResponse.SERVING
MANY = 400


def test_hundreds_may_watch_and_who_asks_is_told(served: Served) -> None:
    with speaking(served.address) as speaker:
        stub: Any = health_pb2_grpc.HealthStub(speaker.channel)
        watching = [stub.Watch(HealthCheckRequest(), timeout=60) for _ in range(MANY)]
        assert {next(each).status for each in watching} == {SERVING}
        assert stub.Check(HealthCheckRequest(), timeout=60).status == SERVING


@contextlib.asynccontextmanager
async def health_for(watchers: int) -> AsyncIterator[tuple[Health, Any]]:
    """A server of health alone, for so many who watch, and a client of it."""
    health = Health([""], asking=Reception(1, slow=1), watching=Reception(watchers, slow=1))
    health.tell(True)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((health.service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield health, health_pb2_grpc.HealthStub(channel)
    finally:
        health.end()
        await server.stop(0)


def test_who_watches_is_refused_where_too_many_do_and_nobody_else_is() -> None:
    async def ask() -> None:
        async with asyncio.timeout(60), health_for(watchers=2) as (health, stub):
            watching = [stub.Watch(HealthCheckRequest()) for _ in range(2)]
            assert [(await each.read()).status for each in watching] == [SERVING] * 2
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Watch(HealthCheckRequest()).read()
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (await stub.Check(HealthCheckRequest())).status == SERVING
            health.tell(False)
            assert [(await each.read()).status for each in watching] == [HealthCheckResponse.NOT_SERVING] * 2
            watching[0].cancel()

            async def watched() -> bool:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    return bool(await stub.Watch(HealthCheckRequest()).read())
                return False

            while not await watched():
                await asyncio.sleep(0.01)

    asyncio.run(ask())
