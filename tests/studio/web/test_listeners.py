"""Whoever listens hears what happens; who is slow costs nothing, and the end is at once."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from studio.errors import StudioRefused, Trouble
from studio.web.listeners import DEAD_LETTER, SECOND, Listeners, Listening


def events(told: bytes) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in told.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))))
    return found


async def begun(listeners: Listeners, browser: str = "b", address: str = "a") -> Listening:
    """One that listens, and has heard the state."""
    stream = listeners.listen(browser, address)
    await anext(stream)
    return stream


def test_the_state_is_told_at_once_and_again_only_where_it_is_otherwise() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listeners.tell_state({"swaps": 0})
        stream = listeners.listen("b")
        assert events(await anext(stream)) == [("state", {"swaps": 0})]
        listeners.tell_state({"swaps": 0})
        listeners.tell(SECOND, {"results": 1})
        listeners.tell_state({"swaps": 1})
        assert events(await anext(stream)) == [("state", {"swaps": 1}), ("second", {"results": 1})]

    asyncio.run(listen())


def test_one_that_reads_slowly_hears_the_newest_and_keeps_no_more() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listeners.tell_state({"n": -1})
        stream = await begun(listeners)
        for number in range(10_000):
            listeners.tell(DEAD_LETTER, {"number": number})
            listeners.tell_state({"n": number})
        told = events(await anext(stream))
        assert told[0] == ("state", {"n": 9999}) and told[-1] == (DEAD_LETTER, {"number": 9999})
        assert len(told) < 100

    asyncio.run(listen())


def test_what_somebody_wrote_cannot_be_an_event_of_its_own() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listeners.tell_state({})
        stream = await begun(listeners)
        listeners.tell(DEAD_LETTER, {"image": "x\n\nevent: state\ndata: {}\r\n\u2028"})
        assert [name for name, _ in events(await anext(stream))] == [DEAD_LETTER]

    asyncio.run(listen())


def test_all_end_at_once() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listeners.tell_state({})
        streams = [await begun(listeners, str(number)) for number in range(200)]
        listeners.close()
        for each in streams:
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(each), 5)
        assert len(listeners) == 0
        with pytest.raises(StopAsyncIteration):
            await anext(listeners.listen("late"))

    asyncio.run(listen())


def test_one_browser_does_not_take_all_the_room_and_who_leaves_gives_it_back() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listeners.tell_state({})
        streams: list[Listening] = []
        with pytest.raises(StudioRefused) as refused:
            while len(streams) < 500:
                streams.append(await begun(listeners))
        assert refused.value.trouble is Trouble.TOO_OFTEN
        await begun(listeners, "another")
        streams.pop().leave()
        await begun(listeners)

    asyncio.run(listen())


def test_a_burst_that_nobody_has_read_yet_takes_no_more_room_than_one_by_one() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listening: list[Listening] = []
        with pytest.raises(StudioRefused):
            while len(listening) < 500:
                listening.append(listeners.listen("b"))
        for each in listening:
            each.leave()
        listeners.listen("b")

    asyncio.run(listen())


def test_many_browsers_of_one_address_do_not_take_all_the_room_either() -> None:
    async def listen() -> None:
        listeners = Listeners()
        listeners.tell_state({})
        streams: list[Listening] = []
        with pytest.raises(StudioRefused) as refused:
            while len(streams) < 1000:
                streams.append(await begun(listeners, str(len(streams))))
        assert refused.value.trouble is Trouble.TOO_OFTEN and len(streams) == 500
        await begun(listeners, "another", "elsewhere")

    asyncio.run(listen())
