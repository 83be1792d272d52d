"""Who asks for much waits for it, and others hardly do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from studio.errors import StudioRefused, Trouble
from studio.web.turns import Turns


class Held:
    """Work that is done once it may be, and tells whose it was."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.done: list[str] = []

    def __call__(self, who: str) -> str:
        assert self.may.wait(30)
        self.done.append(who)
        return who


def asking(turns: Turns, held: Held, *askers: str) -> list[asyncio.Task[str]]:
    return [asyncio.ensure_future(turns.do(who, held, who)) for who in askers]


def run(act: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(60):
            await act()

    asyncio.run(in_time())


def test_others_have_their_turn_before_the_many_of_one() -> None:
    async def ask() -> None:
        held, turns = Held(), Turns(1, "turns")
        tasks = asking(turns, held, *["much"] * 20, "b", "c")
        await asyncio.sleep(0)
        held.may.set()
        await asyncio.gather(*tasks)
        assert held.done[:5] == ["much", "much", "b", "c", "much"] and len(held.done) == 22

    run(ask)


def test_of_one_only_so_much_waits() -> None:
    async def ask() -> None:
        held, turns = Held(), Turns(1, "turns", waiting=3)
        tasks = asking(turns, held, *["much"] * 4)
        await asyncio.sleep(0)
        with pytest.raises(StudioRefused) as refused:
            await turns.do("much", held, "much")
        assert refused.value.trouble is Trouble.TOO_OFTEN
        tasks += asking(turns, held, "other")
        held.may.set()
        assert sorted(await asyncio.gather(*tasks)) == ["much"] * 4 + ["other"]

    run(ask)


def test_who_leaves_takes_nobodys_turn() -> None:
    async def ask() -> None:
        held, turns = Held(), Turns(1, "turns")
        first, leaves, last = asking(turns, held, "a", "b", "c")
        await asyncio.sleep(0)
        leaves.cancel()
        held.may.set()
        assert [await first, await last] == ["a", "c"] and held.done == ["a", "c"]
        begun = asyncio.ensure_future(turns.do("d", held, "d"))
        asyncio.get_running_loop().call_soon(begun.cancel)
        assert await turns.do("e", held, "e") == "e"

    run(ask)


def test_errors_come_back_and_end_the_turn() -> None:
    async def ask() -> None:
        turns = Turns(1, "turns")
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await turns.do("a", divmod, 1, 0)
        assert await turns.do("a", divmod, 7, 2) == (3, 1)

    run(ask)
