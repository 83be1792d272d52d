"""What becomes of a trial is told once each time, and a registry that is away is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from models.reference import ModelReference
from models.storage.schemes import AnyStorage
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


def watched(places: Places, steps: Callable[[TrialWatch, asyncio.Queue[Mapping[str, Any]]], Any]) -> None:
    """Does something while a watch looks, and hands on what it tells."""

    async def run() -> None:
        told: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        watch = TrialWatch(Trials(places, NO_TRIALS), told.put_nowait, Threads(1, "trial"))
        looking = asyncio.create_task(watch.keep_looking())
        try:
            async with asyncio.timeout(60):
                await steps(watch, told)
        finally:
            looking.cancel()

    asyncio.run(run())


def test_each_change_is_told_once(tmp_path: Path) -> None:
    places = Places(tmp_path / "studio", tmp_path / "models")
    places.make()
    registry = stream_registry(places, AnyStorage())

    async def steps(watch: TrialWatch, told: asyncio.Queue[Mapping[str, Any]]) -> None:
        assert (await told.get())["state"] == "none"
        assert watch.number == 0
        assert registry.live.move(OLD, "the first")
        assert POLICY is not None and registry.live.begin(NEW, POLICY)
        watch.wake()
        running = await told.get()
        assert running["state"] == "running" and watch.number == running["number"]
        assert registry.live.end("rolled_back", "worse")
        watch.wake()
        ended = await told.get()
        assert (ended["state"], ended["ended"]["why"], watch.number) == ("rolled_back", "worse", 0)
        assert told.empty()

    watched(places, steps)


def test_a_registry_that_is_away_is_looked_at_again(tmp_path: Path) -> None:
    places = Places(tmp_path / "studio", tmp_path / "models")
    places.make()
    places.registry.rmdir()
    places.registry.symlink_to(places.registry)  # a loop, which no one can follow

    async def steps(watch: TrialWatch, told: asyncio.Queue[Mapping[str, Any]]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await told.get()
        places.registry.unlink()
        watch.wake()
        assert (await told.get())["state"] == "none"

    watched(places, steps)
