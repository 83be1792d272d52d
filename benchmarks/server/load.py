"""The clients: a process of its own that asks over gRPC by request bytes that it made before.

It hands bytes to gRPC and takes bytes back, and reads few of the answers, so that it takes as little as it can of the
cores that it shares with the server. What it takes all the same is told with each answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

import grpc

from benchmarks.server.asking import METHOD, Asked, read_answer, request_bytes
from benchmarks.ways import stopwatch

_CHANNEL = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection a client, as clients have
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
_READ = 16
"""One answer in so many is read in a closed loop, to see that it is one."""
_PATIENCE_SECONDS = 30.0
_PACED_CONNECTIONS = 8


@dataclass(slots=True)
class Closed:
    """A closed loop: so many clients, each of which asks again once it is answered.

    Attributes:
        latencies: seconds of each answer, in the order of their arrival.
        failures: by status code, or `answer` of one that could not be read.
        classes: of the answers that were read, by the number of the request.
        seconds: from the first question to the last answer.
        cpu_seconds: of the clients' process meanwhile.
    """

    latencies: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)
    classes: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Paced:
    """Questions at even distances, whatever becomes of the answers; each answer is read.

    Attributes:
        answers: (due, arrived, number of the request, model_id, class, score) of each; moments in seconds of the
            machine's monotonic clock. Latency counts from when a question was due.
        failures: by status code.
    """

    answers: list[tuple[float, float, int, str, int, float]] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)


class Clients:
    """Asks one server."""

    def __init__(self, address: str, asked: Asked) -> None:
        self._address = address
        self._requests = request_bytes(asked)

    async def closed(self, clients: int, seconds: float) -> Closed:
        """Asks for so many seconds, and waits for what is open then."""
        found, failures, numbers = Closed(), Counter[str](), count()
        async with AsyncExitStack() as stack:
            calls = [await self._call(stack) for _ in range(clients)]
            with stopwatch() as taken:
                until = time.perf_counter() + seconds
                await asyncio.gather(*(self._ask(call, until, numbers, found, failures) for call in calls))
        found.seconds, found.cpu_seconds = taken
        found.failures = dict(failures)
        return found

    async def paced(self, rate: float, over: asyncio.Event, tell: Any) -> Paced:
        """Asks `rate` times a second until `over`; tells (model_id, moment) where another model answers than before."""
        found, failures = Paced(), Counter[str]()
        seen: set[str] = set()

        async def ask(call: Any, number: int, due: float) -> None:
            try:
                response = await call(self._requests[number], timeout=_PATIENCE_SECONDS)
            except grpc.aio.AioRpcError as error:
                failures[error.code().name] += 1
                return
            arrived = time.monotonic()
            answer = read_answer(response)
            found.answers.append((due, arrived, number, answer.model_id, answer.class_index, answer.score))
            if answer.model_id not in seen:
                seen.clear()
                seen.add(answer.model_id)
                tell({"model_id": answer.model_id, "at": arrived})

        async with AsyncExitStack() as stack, asyncio.TaskGroup() as open_questions:
            calls = [await self._call(stack) for _ in range(_PACED_CONNECTIONS)]
            begin = time.monotonic()
            for turn in count():
                due = begin + turn / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if over.is_set():
                    break
                call, number = calls[turn % len(calls)], turn % len(self._requests)
                open_questions.create_task(ask(call, number, due))
        found.failures = dict(failures)
        return found

    async def _ask(
        self, call: Any, until: float, numbers: Iterator[int], found: Closed, failures: Counter[str]
    ) -> None:
        while time.perf_counter() < until:
            turn = next(numbers)
            number = turn % len(self._requests)
            began = time.perf_counter()
            try:
                # By a clock of its own too: gRPC's did not always end calls to a server that had stopped to answer.
                async with asyncio.timeout(2 * _PATIENCE_SECONDS):
                    response = await call(self._requests[number], timeout=_PATIENCE_SECONDS)
            except grpc.aio.AioRpcError as error:
                failures[error.code().name] += 1
                await asyncio.sleep(0.01)
                continue
            except TimeoutError:
                failures["no answer"] += 1
                continue
            found.latencies.append(time.perf_counter() - began)
            if turn % _READ == 0:
                try:
                    found.classes[number] = read_answer(response).class_index
                except ValueError:
                    failures["answer"] += 1

    async def _call(self, stack: AsyncExitStack) -> Any:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(self._address, options=_CHANNEL))
        await asyncio.wait_for(channel.channel_ready(), _PATIENCE_SECONDS)
        return channel.unary_unary(METHOD, None, None)  # no serializers: bytes in, bytes out


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    known: dict[str, Clients] = {}

    def tell(what: dict[str, Any]) -> None:
        print(json.dumps(what), flush=True)

    async def next_line() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    while line := await next_line():
        told = json.loads(line)
        key = json.dumps([told["address"], told["asked"]])
        clients = known.setdefault(key, Clients(told["address"], Asked(**told["asked"])))
        if "clients" in told:
            tell(asdict(await clients.closed(told["clients"], told["seconds"])))
            continue
        over = asyncio.Event()
        asking = asyncio.create_task(clients.paced(told["rate"], over, tell))
        await next_line()
        over.set()
        tell(asdict(await asking))


if __name__ == "__main__":
    asyncio.run(_serve())
