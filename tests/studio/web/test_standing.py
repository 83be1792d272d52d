"""What pages show of the whole: told in time, and without waiting for a database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.troubles import Troubles
from studio.relearning.state import RetrainingState
from studio.store.corrections import Corrections, Counts
from studio.stream.state import LiveModel, StreamState
from studio.web.standing import DATABASE, Standing

COUNTS = Counts(3, 2, 1, 3, (0, 0, 0, 3, 0, 0, 0, 0, 0, 0))


class Stream:
    """A stream whose state is set."""

    state = StreamState("running", "", LiveModel("m@sha256:0", "m", "2030-01-01T00:00:00Z"), 1, 20, 2)


class Relearning:
    """A retraining whose state is set."""

    state = RetrainingState()


def standing_of(count, said: list[str]) -> Standing:
    return Standing(Stream(), Relearning(), count, 10, Troubles(said.append))


async def until(told: list[Mapping[str, Any]], is_so) -> Mapping[str, Any]:
    async with asyncio.timeout(30):
        while not told or not is_so(told[-1]):
            await asyncio.sleep(0.01)
    return told[-1]


def test_it_is_told_as_pages_read_it() -> None:
    async def tell() -> None:
        standing = standing_of(lambda: COUNTS, [])
        standing.take(standing.count())
        now: Mapping[str, Any] = standing.now()
        assert now["stream"] == {"state": "running", "detail": ""}
        assert now["live"] == {"model_id": "m@sha256:0", "name": "m", "since": "2030-01-01T00:00:00Z"}
        assert (now["swaps"], now["results"], now["dead_letters"], now["troubles"]) == (1, 20, 2, [])
        assert now["corrections"]["total"] == 3 and now["corrections"]["retrain_after"] == 10
        assert now["retraining"]["state"] == "idle" and now["retraining"]["queued"] is False

    asyncio.run(tell())


def test_a_database_that_goes_and_comes_back_is_told(tmp_path: Path) -> None:
    file, away = tmp_path / "studio.db", tmp_path / "away.db"
    said: list[str] = []

    async def tell() -> None:
        with Corrections.open(str(file)) as corrections:
            standing = standing_of(corrections.counts, said)
            told: list[Mapping[str, Any]] = []
            tasks = [
                asyncio.create_task(standing.keep_counting()),
                asyncio.create_task(standing.keep_telling(told.append)),
            ]
            await until(told, lambda state: state["corrections"] is not None)
            file.rename(away)
            standing.recount()
            state = await until(told, lambda state: state["corrections"] is None)
            assert [each["what"] for each in state["troubles"]] == [DATABASE]
            assert state["live"] is not None
            away.rename(file)
            standing.recount()
            state = await until(told, lambda state: state["corrections"] is not None)
            assert not state["troubles"]
            for each in tasks:
                each.cancel()

    asyncio.run(tell())
    assert [line.partition(":")[0] for line in said] == ["corrections cannot be kept", "corrections are kept again"]


def test_a_database_that_hangs_holds_nobody_up() -> None:
    hang = threading.Event()

    def count() -> Counts:
        hang.wait()
        return COUNTS

    async def tell() -> None:
        standing = standing_of(count, [])
        told: list[Mapping[str, Any]] = []
        tasks = [asyncio.create_task(standing.keep_counting()), asyncio.create_task(standing.keep_telling(told.append))]
        await until(told, lambda state: state["corrections"] is None)
        await until(told, lambda state: state["troubles"])
        hang.set()
        await until(told, lambda state: state["corrections"] is not None)
        for each in tasks:
            each.cancel()

    asyncio.run(tell())


def test_an_answer_that_was_asked_for_earlier_takes_nothing_back() -> None:
    kept = [COUNTS]

    async def tell() -> None:
        standing = standing_of(lambda: kept[-1], [])
        earlier = standing.count()
        kept.append(replace(COUNTS, total=4))
        standing.take(standing.count())
        standing.take(earlier)
        now: Mapping[str, Any] = standing.now()
        assert now["corrections"]["total"] == 4

    asyncio.run(tell())


def test_however_often_something_changes_it_is_told_five_times_a_second_at_most() -> None:
    async def tell() -> None:
        standing = standing_of(lambda: COUNTS, [])
        told: list[Mapping[str, Any]] = []
        task = asyncio.create_task(standing.keep_telling(told.append))
        begun = asyncio.get_running_loop().time()
        while len(told) < 4:
            standing.changed()
            await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() - begun >= 0.6
        task.cancel()

    asyncio.run(tell())
