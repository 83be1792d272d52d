"""Threads that take turns between those who ask: one who asks for much waits, and nobody else does."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from studio.errors import StudioRefused, Trouble
from studio.web.blocking import apart

_Answer = TypeVar("_Answer")
_WAITING = 64


class Turns:
    """Work is begun in turns: of each asker what they asked for first, then the next asker's.

    Nobody waits for these threads at the end. For the event loop's thread alone.

    Args:
        most: at once.
        name: of the threads.
        waiting: of one asker, at most.
    """

    def __init__(self, most: int, name: str, waiting: int = _WAITING) -> None:
        self._free = most
        self._name = name
        self._waiting = waiting
        self._asked: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def do(self, who: str, work: Callable[..., _Answer], *given: object) -> _Answer:
        """What some work answers, once it was its turn.

        Args:
            who: asks.
            work: is called in a thread.
            given: with which it is called.

        Raises:
            StudioRefused: `TOO_OFTEN`: too much of theirs waits already.
            What the work raises.
        """
        turn = asyncio.get_running_loop().create_future()
        mine = self._asked.setdefault(who, deque())
        if len(mine) >= self._waiting:
            raise StudioRefused(Trouble.TOO_OFTEN, "too much at once; wait a second, then go on")
        mine.append(turn)
        self._begin()
        try:
            await turn
        except asyncio.CancelledError:
            self._leave(who, turn)
            raise
        return await apart(partial(work, *given), self._name, self._ended)

    def _begin(self) -> None:
        while self._free and self._asked:
            who, theirs = self._asked.popitem(last=False)
            turn = theirs.popleft()
            if theirs:
                self._asked[who] = theirs
            if not turn.done():  # who is cancelled leaves a moment later
                self._free -= 1
                turn.set_result(None)

    def _leave(self, who: str, turn: asyncio.Future[None]) -> None:
        """Of one who does not wait any more."""
        if not turn.cancelled():
            self._ended()  # its turn had come
            return
        theirs = self._asked.get(who, deque())
        with suppress(ValueError):
            theirs.remove(turn)
            if not theirs:
                del self._asked[who]

    def _ended(self) -> None:
        self._free += 1
        self._begin()
