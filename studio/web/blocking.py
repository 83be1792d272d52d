"""Work that blocks, in threads: as much of one kind at once as there is room for, and no longer than is bearable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from databases.errors import StoreUnusable

_Answer = TypeVar("_Answer")
_THREADS = 4
_WAITING = 64
_SECONDS = 10.0


class DatabaseThreads:
    """Where the database is asked: apart from all else, so that one that hangs holds up nobody who draws.

    Nor the program's end: nobody waits for these threads. For the event loop's thread alone.

    Args:
        threads: that ask at once.
        waiting: that wait for one of them, at most.
        seconds: that an answer may take.
    """

    def __init__(self, threads: int = _THREADS, waiting: int = _WAITING, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._most = threads + waiting
        self._under_way = 0
        self._free = asyncio.Semaphore(threads)

    async def ask(self, work: Callable[..., _Answer], *given: object, seconds: float | None = None) -> _Answer:
        """What some work answers.

        Args:
            work: asks the database.
            given: with which it is called.
            seconds: that it may take, where that is not what it may take always.

        Raises:
            StoreUnusable: the database does not answer in time, or too many wait for it already.
            What the work raises.
        """
        if self._under_way >= self._most:
            raise StoreUnusable("many wait for the database already; try again in a moment")
        limit = self._seconds if seconds is None else seconds
        self._under_way += 1
        try:
            async with asyncio.timeout(limit):
                await self._free.acquire()
                return await self._begun(partial(work, *given))
        except TimeoutError:
            raise StoreUnusable(f"the database has not answered for {limit:g} s; try again in a moment") from None
        finally:
            self._under_way -= 1

    def _begun(self, work: Callable[[], _Answer]) -> asyncio.Future[_Answer]:
        """Its answer, once a thread has it; until then the thread is not free, whoever waits or not."""
        return apart(work, "database", self._free.release)


class Threads:
    """Where everything else that blocks is done: pictures and files. Nobody waits for these threads at the end, either.

    For the event loop's thread alone.

    Args:
        most: at once; more work waits for its turn.
        name: of the threads.
    """

    def __init__(self, most: int, name: str) -> None:
        self._name = name
        self._free = asyncio.Semaphore(most)

    async def do(self, work: Callable[..., _Answer], *given: object) -> _Answer:
        """What some work answers.

        Raises:
            What it raises.
        """
        await self._free.acquire()
        return await apart(partial(work, *given), self._name, self._free.release)


def apart(
    work: Callable[[], _Answer], name: str, ended: Callable[[], object] = lambda: None
) -> asyncio.Future[_Answer]:
    """The answer of some work, which a thread does that the program's end does not wait for.

    Args:
        work: whose errors are the answer's.
        name: of the thread.
        ended: called in the event loop's thread once the work is done, whether somebody still waits for it or not.

    Raises:
        RuntimeError: no thread can be started now; `ended` was called.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()

    def end(found: Callable[[], None]) -> None:
        ended()
        if not answer.done():
            found()

    def run() -> None:
        found: Callable[[], None]
        try:
            found = partial(answer.set_result, work())
        except BaseException as error:
            found = partial(answer.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(end, found)

    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except BaseException:  # this machine has no room for one more; its place must not be lost with it
        ended()
        raise
    return answer
