"""Work that blocks, in threads: as much of one kind at once as there is room for, and no longer than is bearable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from databases.errors import StoreUnusable

_Answer = TypeVar("_Answer")
_THREADS = 4
_WAITING = 64
_SECONDS = 10.0


class DatabaseThreads:
    """Where the database is asked: apart from all else, so that one that hangs holds up nobody who draws.

    For the event loop's thread alone.

    Args:
        threads: that ask at once.
        waiting: that wait for one of them, at most.
        seconds: that an answer may take.
    """

    def __init__(self, threads: int = _THREADS, waiting: int = _WAITING, seconds: float = _SECONDS) -> None:
        self._most = threads + waiting
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="database")
        self._under_way = 0

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
            raise StoreUnusable("the database does not answer, and many wait for it already; try again in a moment")
        limit = self._seconds if seconds is None else seconds
        doing = self._threads.submit(work, *given)
        self._under_way += 1
        loop = asyncio.get_running_loop()
        doing.add_done_callback(lambda _: self._ended(loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(doing), limit)
        except TimeoutError:
            raise StoreUnusable(f"the database has not answered for {limit:g} s; try again in a moment") from None

    def close(self) -> None:
        """Starts nothing more, and waits for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """What is under way is counted until it ends in truth: a thread that hangs is taken."""

        def count() -> None:
            self._under_way -= 1

        try:
            loop.call_soon_threadsafe(count)
        except RuntimeError:  # the loop has ended meanwhile
            return


class Threads:
    """Where everything else that blocks is done: pictures and files.

    Args:
        threads: at once; more wait for their turn.
        name: of the threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def do(self, work: Callable[..., _Answer], *given: object) -> _Answer:
        """What some work answers.

        Raises:
            What it raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *given)

    @property
    def executor(self) -> ThreadPoolExecutor:
        """For who wants one."""
        return self._threads

    def close(self) -> None:
        """Starts nothing more, and waits for nothing."""
        self._threads.shutdown(wait=False, cancel_futures=True)
