"""What all methods of all services have in common: how a call's message comes, deadlines, refusals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc

from models.errors import typed_line
from models.printable import logger, printable
from serving.asking import Code, Refused
from serving.over_grpc import wire

_LOGGER = logger(__name__)

_PROMPT_SECONDS = 1.0
"""After which a message that is still not there counts as slow."""
_SLOWEST_SECONDS = 30.0
_LONGEST_DETAIL = 500
"""Characters: who is told more than some kilobytes of them gets another status in their place."""

Method = Callable[[Any, float], Awaitable[Any]]
"""From a request and its deadline, by the monotonic clock, to the response."""
Tell = Callable[[Refused], None]
"""Is told of a refusal."""


class Reception:
    """Takes calls in, so many at once, and their messages.

    Nobody knows how large a message will be that is on its way. So those of any number of calls may be, but of few for
    long: clients who send slowly, or nothing, cost neither memory nor the others their turn.

    Args:
        calls: under way at once, whose messages are there.
        slow: others whose messages may take longer than a second to come.
        images: that a message may hold, for which it may have as many parts more.
    """

    def __init__(self, calls: int, slow: int, images: int = 0) -> None:
        self._most = calls
        self._most_fields = wire.FIELDS_BESIDE_IMAGES + images
        self._most_slow = slow
        self._calls = 0
        self._slow = 0

    @property
    def calls(self) -> int:
        """How many are under way, whose messages are there."""
        return self._calls

    @contextmanager
    def call(self) -> Iterator[None]:
        """Counts a call as under way.

        Raises:
            Refused: `RESOURCE_EXHAUSTED`: too many are.
        """
        if self._calls >= self._most:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"{self._calls} calls are under way; try again in a moment")
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    def read(self, request: Any, data: bytes) -> Any:
        """A message from its bytes: see `wire.read`."""
        return wire.read(request, data, self._most_fields)

    async def message(self, context: Any) -> bytes:
        """The bytes of a call's message, once they are there.

        Raises:
            Refused: `TOO_SLOW`, or `RESOURCE_EXHAUSTED` where too many others are slow too; `INVALID_ARGUMENT`: the
                call has none.
        """
        loop = asyncio.get_running_loop()
        slow = False

        def judge() -> None:
            nonlocal slow
            if self._slow < self._most_slow:
                slow = True
                self._slow += 1
                scope.reschedule(loop.time() + _SLOWEST_SECONDS)
            else:
                scope.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as scope:
                timer = loop.call_later(_PROMPT_SECONDS, judge)
                try:
                    data = await context.read()
                finally:
                    timer.cancel()
        except TimeoutError:
            if slow:
                raise Refused(Code.TOO_SLOW, f"the message did not come within {_SLOWEST_SECONDS:.0f} s") from None
            raise Refused(Code.RESOURCE_EXHAUSTED, "too many messages come slowly; try again in a moment") from None
        finally:
            if slow:
                self._slow -= 1
        if not isinstance(data, bytes):
            raise Refused(Code.INVALID_ARGUMENT, "the call holds no message")
        return data


def deadline_of(context: Any) -> float:
    """When a call's client waits no more, by the monotonic clock."""
    left = context.time_remaining()
    return time.monotonic() + left if left is not None else float("inf")


def _tell_nobody(refused: Refused) -> None:
    """Of refusals that nobody counts."""


@asynccontextmanager
async def refusing(context: Any, tell: Tell = _tell_nobody) -> AsyncIterator[None]:
    """Makes a status of what goes wrong within it.

    Args:
        context: of the call.
        tell: is told of it.
    """
    try:
        yield
    except Refused as refused:
        tell(refused)
        await context.abort(getattr(grpc.StatusCode, refused.code.grpc), printable(refused.detail[:_LONGEST_DETAIL]))
    except grpc.aio.AbortError:
        raise
    except Exception as error:
        _LOGGER.exception("a call failed unexpectedly")
        unexpected = Refused(Code.INTERNAL, typed_line(error))
        tell(unexpected)
        await context.abort(grpc.StatusCode.INTERNAL, printable(unexpected.detail))


def handler(
    reception: Reception, request: Any, method: Method, tell: Tell = _tell_nobody
) -> grpc.RpcMethodHandler[Any, Any]:
    """A method of one request and one response, whose refusals become statuses.

    Args:
        reception: takes it in.
        request: class of its request.
        method: what it does.
        tell: is told of calls that have no answer.
    """

    async def call(messages: Any, context: Any) -> Any:
        async with refusing(context, tell):
            data = await reception.message(context)
            with reception.call():
                return await method(reception.read(request, data), deadline_of(context))

    # As one of many requests: the message is asked for above, and not before.
    return grpc.stream_unary_rpc_method_handler(call, response_serializer=lambda response: response.SerializeToString())
