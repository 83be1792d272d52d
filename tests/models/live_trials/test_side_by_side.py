"""Many threads have batches answered by two models in processes of their own, with room for few at a time."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from models.engines.turns import seconds_waited
from models.events import EventLog
from models.hosting import host_process
from models.hosting.hosted_engine import HostedEngine, Hosts
from models.images.decoding import Raster
from models.live import LiveModel, LiveModels
from models.reference import Mode, ModelReference, StatedTrial, Statement
from models.storage.local_objects import LocalObjects
from models.tasks import Ranked
from models.trials.answering import Told, answer_on_trial
from models.trials.gathering import Gathering
from models.trials.kept import KeptTrials
from tests.models.live_bench import Shelf, time_no_more
from tests.waiting import eventually

KEYS = [f"message {number}" for number in range(16)]
PATIENCE = 60.0


class AtOnce(LiveModels):
    """Lets those who know which model is live wait for each other, before they ask it."""

    everybody: threading.Barrier | None = None

    def current(self) -> LiveModel:
        live = super().current()
        if self.everybody is not None:
            self.everybody.wait(PATIENCE)
        return live


class World:
    """Two models that say 1 and 2, with room for one batch each."""

    def __init__(self, folder: Path) -> None:
        self._hosts = Hosts()
        self.shelf = Shelf(folder)
        self.one, self.two = self.shelf.model(1), self.shelf.model(2)
        self.gathering = Gathering(KeptTrials(LocalObjects(folder / "registry"), "trials/"), write_seconds=3600)
        self.models = AtOnce(self.shelf.obtain, EventLog(), self._hosts.load, (1,), self.gathering)
        self._epochs = itertools.count(1)

    def state(
        self, live: ModelReference, new: ModelReference, mode: Mode = "canary", is_quiet: bool = True
    ) -> StatedTrial:
        """Has one live and the other tried; where it is quiet, nothing is timed."""
        epoch = next(self._epochs)
        trial = StatedTrial(epoch, new, mode, 0.5)
        self.gathering.follow(trial)
        self.models.follow(Statement(live, epoch, trial))
        eventually(lambda: (now := self.models.on_trial()) is not None and now.trial == trial, "the trial")
        matching = self.gathering.matching(trial)
        assert matching is not None
        if is_quiet:
            time_no_more(matching)
        return trial

    def answer(self) -> list[Told]:
        images = [Raster(np.full((8, 8, 3), 128, np.uint8))] * len(KEYS)
        return answer_on_trial(self.models, self.gathering, KEYS, images)

    def require_true_tags(self, told: Sequence[Told]) -> None:
        for each in told:
            assert isinstance(each.outcome, Ranked)
            assert each.outcome.top[0].class_index == self.shelf.favours[each.by.reference.digest]

    def close(self) -> None:
        self.models.close()
        self.gathering.close()
        self._hosts.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(host_process, "cores", lambda: 1)
    world = World(tmp_path)
    yield world
    world.close()


def test_models_that_swap_their_parts_amid_batches_hold_up_nobody(world: World) -> None:
    everybody = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads, closing(world):  # which frees whoever would wait for ever
        world.state(world.one, world.two)
        world.models.everybody = everybody
        before = threads.submit(world.answer)
        eventually(lambda: everybody.n_waiting == 1, "a batch that has begun with the one model")
        world.state(world.two, world.one)
        after = threads.submit(world.answer)
        for batch in (before, after):
            world.require_true_tags(batch.result(PATIENCE))


@pytest.mark.parametrize("is_quiet", [True, False])
@pytest.mark.parametrize("mode", ["canary", "shadow"])
def test_many_threads_get_true_answers_while_models_take_turns(mode: Mode, is_quiet: bool, world: World) -> None:
    done = threading.Event()

    def keep_asking() -> int:
        for batches in itertools.count():
            if done.is_set():
                return batches
            world.require_true_tags(world.answer())
        raise AssertionError("unreachable")

    world.state(world.one, world.two, mode, is_quiet)
    with ThreadPoolExecutor(12) as threads, closing(world):
        asking = [threads.submit(keep_asking) for _ in range(12)]
        try:
            for live, new in [(world.two, world.one), (world.one, world.two)] * 10:
                world.state(live, new, mode, is_quiet)
        finally:
            done.set()
        assert all(each.result(PATIENCE) for each in asking)


def test_who_waits_for_its_turn_at_a_model_counts_that_as_no_time_of_the_model(world: World) -> None:
    world.state(world.one, world.two)
    on_trial = world.models.on_trial()
    assert on_trial is not None
    engine = on_trial.model.engine
    assert isinstance(engine, HostedEngine)
    image = np.zeros((1, 8, 8, 3), np.float32)
    waited: list[float] = []

    def ask() -> None:
        before = seconds_waited()
        engine.predict(image)
        waited.append(seconds_waited() - before)

    begun = engine.ask(image)
    thread = threading.Thread(target=ask)
    thread.start()
    eventually(lambda: is_inside(thread, "_next_lane"), "the other to wait for room")
    begun()
    thread.join()
    assert waited[0] > 0


def is_inside(thread: threading.Thread, function: str) -> bool:
    """Whether a thread executes a function, by its name."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False
