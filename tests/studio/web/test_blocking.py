"""A database that hangs is not waited for, and its threads are not without number."""

from __future__ import annotations

import asyncio
import threading

import pytest

from databases.errors import StoreUnusable
from studio.web.blocking import DatabaseThreads, Threads


def test_an_answer_and_an_error_come_back() -> None:
    async def ask() -> None:
        threads = DatabaseThreads()
        assert await threads.ask(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await threads.ask(divmod, 7, 0)

    asyncio.run(ask())


def test_one_that_hangs_is_told_as_away_and_works_again_afterwards() -> None:
    hang = threading.Event()

    async def ask() -> None:
        threads = DatabaseThreads(threads=2, waiting=1, seconds=0.1)
        asked = [asyncio.create_task(threads.ask(hang.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnusable, match="many wait"):
            await threads.ask(hang.wait)
        for each in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(each, StoreUnusable)
        with pytest.raises(StoreUnusable):
            await threads.ask(int)
        hang.set()
        assert await threads.ask(int, "7", seconds=30) == 7

    asyncio.run(ask())


def test_no_more_threads_hang_than_may() -> None:
    hang, begun = threading.Event(), []

    def work() -> None:
        begun.append(1)
        hang.wait()

    async def ask() -> None:
        threads = DatabaseThreads(threads=2, waiting=8, seconds=0.1)
        for _ in range(3):
            await asyncio.gather(*(threads.ask(work) for _ in range(5)), return_exceptions=True)
        assert len(begun) == 2
        hang.set()

    asyncio.run(ask())


def test_a_thread_that_does_not_start_takes_no_place_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def ask() -> None:
        threads, database = Threads(2, "pictures"), DatabaseThreads(threads=2, waiting=0)
        with monkeypatch.context() as machine:
            machine.setattr(threading.Thread, "start", full)  # as a machine that has no room for one more says it
            for _ in range(3):
                with pytest.raises(RuntimeError):
                    await threads.do(int)
                with pytest.raises(RuntimeError):
                    await database.ask(int)
        async with asyncio.timeout(30):
            assert await threads.do(int, "7") == await database.ask(int, "7") == 7

    asyncio.run(ask())
