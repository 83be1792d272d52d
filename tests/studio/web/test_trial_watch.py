"""What becomes of a trial is told once each time, and a registry that is away is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from models.reference import ModelReference, StatedTrial
from models.registry.registry import Registry
from models.storage.schemes import AnyStorage
from models.trials.evidence import Evidence
from models.trials.gist import Gist
from models.trials.policy import Policy
from models.trials.terms import NO_TRIALS
from studio.places import Places
from studio.shelf.known_models import stream_registry
from studio.shelf.trials import Trials
from studio.web.blocking import Threads
from studio.web.trial_watch import TrialWatch

OLD = ModelReference("models/old.onnx", "a" * 64)
NEW = ModelReference("models/new.onnx", "b" * 64)
POLICY = Policy.parse("canary:20%/5")


class LookedAt(Trials):
    """Says how often it was looked at."""

    looks = 0

    def now(self) -> dict[str, Any]:
        self.looks += 1
        return super().now()


@dataclass
class Watched:
    """A watch that looks.

    Attributes:
        watch: that looks; every hundredth of a second where it may.
        trials: at which it looks.
        told: what it tells.
        is_seen: whether a page is open.
        asked: how often that was asked.
    """

    watch: TrialWatch
    trials: LookedAt
    told: asyncio.Queue[Mapping[str, Any]]
    is_seen: bool = False
    asked: int = 0

    async def until_looked(self, times: int) -> None:
        """Until it has looked so many times more."""
        until = self.trials.looks + times
        while self.trials.looks < until:
            await asyncio.sleep(0.001)

    async def until_asked(self, times: int) -> None:
        """Until it has asked so often whether a page is open."""
        while self.asked < times:
            await asyncio.sleep(0.001)


def watched(places: Places, steps: Callable[[Watched], Awaitable[None]], look_seconds: float = 0.01) -> None:
    """Does something while a watch looks."""

    async def run() -> None:
        told: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        trials = LookedAt(places, NO_TRIALS)

        def is_seen() -> bool:
            seen.asked += 1
            return seen.is_seen

        watch = TrialWatch(trials, told.put_nowait, Threads(1, "trial"), is_seen, look_seconds)
        seen = Watched(watch, trials, told)
        looking = asyncio.create_task(watch.keep_looking())
        try:
            async with asyncio.timeout(60):
                await steps(seen)
        finally:
            looking.cancel()

    asyncio.run(run())


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "studio", tmp_path / "models")
    places.make()
    return places


def begin(registry: Registry) -> StatedTrial:
    """A trial, as workers are told it."""
    assert registry.live.move(OLD, "the first")
    assert POLICY is not None and registry.live.begin(NEW, POLICY)
    pointer = registry.live.pointer
    assert pointer is not None and pointer.trial is not None
    return pointer.trial.stated


def test_each_change_is_told_once(places: Places) -> None:
    registry = stream_registry(places, AnyStorage())

    async def steps(seen: Watched) -> None:
        assert (await seen.told.get())["state"] == "none"
        assert seen.watch.number == 0
        trial = begin(registry)
        seen.watch.wake()
        running = await seen.told.get()
        assert (running["state"], running["number"], seen.watch.number) == ("running", trial.number, trial.number)
        assert registry.live.end("rolled_back", "worse")
        seen.watch.wake()
        ended = await seen.told.get()
        assert (ended["state"], ended["ended"]["why"], seen.watch.number) == ("rolled_back", "worse", 0)
        seen.is_seen = True
        seen.watch.wake()
        await seen.until_looked(3)
        assert seen.told.empty()

    watched(places, steps)


def test_nobody_looks_while_no_page_is_open_and_nothing_is_tried(places: Places) -> None:
    registry = stream_registry(places, AnyStorage())

    async def steps(seen: Watched) -> None:
        await seen.told.get()
        looks = seen.trials.looks
        await seen.until_asked(2)
        assert seen.trials.looks == looks

        begin(registry)
        seen.watch.wake()
        await seen.until_looked(5)
        assert registry.live.end("rolled_back", "worse")
        while seen.watch.number:
            await asyncio.sleep(0.001)
        seen.is_seen = True
        await seen.until_looked(5)

    watched(places, steps)


def test_figures_are_told_every_few_seconds_at_most_and_what_becomes_of_a_trial_at_once(places: Places) -> None:
    registry = stream_registry(places, AnyStorage())

    async def steps(seen: Watched) -> None:
        await seen.told.get()
        trial = begin(registry)
        seen.watch.wake()
        await seen.told.get()
        for images in (1, 2, 3):
            evidence = Evidence()
            for _ in range(images):
                evidence.answered("new", Gist("7", 0.9))
            registry.trials.write(trial, "one", evidence.encode())
            seen.watch.wake()
            await seen.until_looked(1)
        assert registry.live.end("promoted", "good")
        seen.watch.wake()
        assert (await seen.told.get())["state"] == "promoted"

    watched(places, steps, look_seconds=3600)


def test_a_registry_that_is_away_is_looked_at_again(places: Places) -> None:
    places.registry.rmdir()
    places.registry.symlink_to(places.registry)  # a loop, which no one can follow

    async def steps(seen: Watched) -> None:
        seen.is_seen = True
        await seen.until_looked(2)
        assert seen.told.empty()
        places.registry.unlink()
        assert (await seen.told.get())["state"] == "none"

    watched(places, steps)
