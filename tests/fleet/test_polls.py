"""Who asks is found out by few queries, and each of them begins after the question."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet.allowance import Allowance
from fleet.devices import Head
from fleet.errors import StoreUnusable
from fleet.polls import Polls
from serving.asking import Code, Refused

TOKEN = "a-token"
BEARING = f"Bearer {TOKEN}"
HEAD = Head(hashlib.sha256(TOKEN.encode()).digest(), "etag")


class SlowDatabase:
    """Answers when it is let to.

    Attributes:
        asked: the devices of each query.
        begun: set once the first has begun.
        goes_on: lets queries answer.
    """

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.begun = threading.Event()
        self.goes_on = threading.Event()
        self.error: Exception | None = None

    def heads(self, names: Collection[str]) -> dict[str, Head]:
        self.asked.append(set(names))
        self.begun.set()
        assert self.goes_on.wait(30)
        if self.error is not None:
            raise self.error
        return dict.fromkeys(names, HEAD)


async def begun(polls: Polls, database: SlowDatabase, *devices: str) -> list[asyncio.Task[Head]]:
    """One device asks, and while its query is under way these do."""
    first = asyncio.create_task(polls.known("first", BEARING))
    assert await asyncio.to_thread(database.begun.wait, 30)
    others = [asyncio.create_task(polls.known(device, BEARING)) for device in devices]
    while polls.waiting < len(set(devices)):
        await asyncio.sleep(0)
    return [first, *others]


def test_who_asks_meanwhile_shares_the_next_query() -> None:
    async def ask() -> None:
        tasks = await begun(polls, database, "b", "c", "c", "first")
        database.goes_on.set()
        assert [await task for task in tasks] == [HEAD] * 5

    database = SlowDatabase()
    with ThreadPoolExecutor(2) as threads:
        polls = Polls(database.heads, threads)
        asyncio.run(ask())
    # The first asks again: what it is told was read after it asked.
    assert database.asked == [{"first"}, {"b", "c", "first"}]
    assert polls.seen() == {"first", "b", "c"}


def test_one_that_gives_up_takes_nothing_from_another() -> None:
    async def ask() -> None:
        first, gone, same = await begun(polls, database, "b", "b")
        gone.cancel()
        database.goes_on.set()
        assert [await first, await same] == [HEAD] * 2
        assert gone.cancelled()

    database = SlowDatabase()
    with ThreadPoolExecutor(2) as threads:
        polls = Polls(database.heads, threads)
        asyncio.run(ask())


def test_a_query_that_fails_fails_who_shared_it_and_no_later_one() -> None:
    async def ask() -> None:
        tasks = await begun(polls, database, "b")
        database.error = StoreUnusable("it does not answer")
        database.goes_on.set()
        for task in tasks:
            with pytest.raises(StoreUnusable):
                await task
        database.error = None
        assert await polls.known("b", BEARING) == HEAD

    database = SlowDatabase()
    with ThreadPoolExecutor(2) as threads:
        polls = Polls(database.heads, threads)
        asyncio.run(ask())


@pytest.mark.parametrize("device", ["", "a/b", "a b", "x" * 129, "ü", "a\n", "-a", "a\0"])
def test_nobody_asks_the_database_for_a_name_that_is_none(device: str) -> None:
    async def ask() -> None:
        with pytest.raises(Refused) as refused:
            await polls.known(device, BEARING)
        assert refused.value.code is Code.UNAUTHENTICATED

    database = SlowDatabase()
    with ThreadPoolExecutor(2) as threads:
        polls = Polls(database.heads, threads)
        asyncio.run(ask())
    assert database.asked == []


def test_an_allowance_is_of_one_device_and_grows_again() -> None:
    now = 0.0
    allowance = Allowance(rate=2.0, burst=3.0, stopwatch=lambda: now)
    assert [allowance.take("a") for _ in range(3)] == [0.0] * 3
    assert allowance.take("a") == 0.5
    assert allowance.take("b") == 0.0
    now = 0.5
    assert allowance.take("a") == 0.0
    assert allowance.take("a") == 0.5
    now = 1000.0
    assert [allowance.take("a") > 0 for _ in range(4)] == [False, False, False, True]
