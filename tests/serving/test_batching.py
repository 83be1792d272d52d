"""Batches of what many clients ask: who goes with whom, who answers, and who is left alone."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.compute_threads import cores
from models.images.decoding import Raster
from models.reference import ModelReference, StatedTrial
from serving.asking import Answer, Asked, Code, Refused, Tensor
from serving.batching import Batcher, Computed
from serving.preparing import Job, Outcome
from serving.trials.part import Part
from tests.serving.held_models import NUMBNESS, POISON, HeldModels
from tests.waiting import eventually

PART = Part(StatedTrial(1, ModelReference("m.onnx", "0" * 64), "canary", 0.5), "old", "request")


@pytest.fixture
def models(tmp_path: Path) -> Iterator[HeldModels]:
    held = HeldModels(tmp_path)
    held.bring(1)
    yield held
    held.gate.set()
    held.live.close()


class Batching:
    """A batcher of held models, and how it is asked.

    Attributes:
        unfit: jobs whose model was.
        noted: batches that a trial has to know of.
        counts: whether batches can be counted.
    """

    def __init__(self, models: HeldModels, largest: int, wait: float) -> None:
        self._models = models
        self.unfit: list[Job] = []
        self.noted: list[Computed] = []
        self.counts = True
        self.batcher = Batcher(models.live, largest, wait, self._again, self._done, self.noted.append)

    def ask(self, rows: int = 1, seconds: float = 60.0, part: Part | None = None) -> asyncio.Future[Outcome]:
        """Puts a request of grey images to the live model, and answers its outcome to come."""
        return self._put(Asked(images=[b"-"] * rows), np.full((rows, 8, 8, 3), 0.5, np.float32), seconds, part)

    def ask_poison(self, rows: int) -> asyncio.Future[Outcome]:
        """The same of rows, the first of which the model dies of."""
        values = np.zeros((rows, 8, 8, 3), np.float32)
        values[0, 0, 0, 0] = POISON
        return self._put(Asked(tensor=Tensor("", values)), values, 60.0)

    def ask_numbing(self, rows: int) -> asyncio.Future[Outcome]:
        """The same of images, to the last of which the model has no number for an answer."""
        values = np.zeros((rows, 8, 8, 3), np.float32)
        values[-1, 0, 0, 0] = NUMBNESS
        return self._put(Asked(images=[b"-"] * rows), values, 60.0)

    def _put(
        self, asked: Asked, values: NDArray[Any], seconds: float, part: Part | None = None
    ) -> asyncio.Future[Outcome]:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outlines: list[Raster | None] = [None] * len(values)
        deadline = time.monotonic() + seconds
        self.batcher.put(Job(asked, self._models.now(), future, deadline, values, outlines, part=part))
        return future

    def _again(self, job: Job) -> None:
        self.unfit.append(job)
        job.model = self._models.now()
        self.batcher.put(job)

    def _done(self, model_id: str, images: int, others_wait: bool) -> None:
        if not self.counts:
            raise ZeroDivisionError


@contextmanager
def batching(models: HeldModels, largest: int = 8, wait: float = 0.0) -> Iterator[Batching]:
    made = Batching(models, largest, wait)
    try:
        yield made
    finally:
        models.gate.set()
        made.batcher.close()


def classes(outcome: Outcome) -> list[int]:
    assert isinstance(outcome, Answer), outcome
    found: list[int] = outcome.outputs["classes"].tolist()
    return found


def refusal(outcome: Outcome) -> Refused:
    assert isinstance(outcome, Refused)
    return outcome


async def occupied(models: HeldModels, batching: Batching) -> list[asyncio.Future[Outcome]]:
    """Has each thread be at work on a batch of one, until the gate is opened."""
    models.gate.clear()
    held = []
    for count in range(1, cores() + 1):
        held.append(batching.ask())
        await asyncio.to_thread(models.await_batches, count)
    return held


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await what()

    asyncio.run(limited())


def test_who_comes_while_all_threads_are_at_work_goes_with_others(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=8) as batcher:
            held = await occupied(models, batcher)
            waiting = [batcher.ask(rows=2) for _ in range(5)]
            models.gate.set()
            outcomes = await asyncio.gather(*held, *waiting)
        assert models.batches[: cores()] == [1] * cores()
        assert sorted(models.batches[cores() :]) == [2, 8]
        assert [classes(outcome) for outcome in outcomes] == [[1]] * cores() + [[1, 1]] * 5

    run(clients)


def test_a_batch_is_no_larger_than_what_the_engine_computes_at_once(models: HeldModels) -> None:
    models.largest_run = 3
    models.bring(2)

    async def clients() -> None:
        with batching(models, largest=8) as batcher:
            held = await occupied(models, batcher)
            waiting = [batcher.ask() for _ in range(6)]
            models.gate.set()
            await asyncio.gather(*held, *waiting)
        assert models.batches[cores() :] == [3, 3]

    run(clients)


def test_a_request_larger_than_a_batch_is_one_by_itself(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=4) as batcher:
            assert classes(await batcher.ask(rows=11)) == [1] * 11
        assert models.batches == [11]

    run(clients)


def test_a_request_is_answered_by_the_model_that_was_live_when_it_came(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            before = [batcher.ask(rows=2) for _ in range(3)]
            second = await asyncio.to_thread(models.bring, 2)
            after = [batcher.ask(rows=2) for _ in range(3)]
            models.gate.set()
            assert [classes(each) for each in await asyncio.gather(*held)] == [[1]] * cores()
            assert [classes(each) for each in await asyncio.gather(*before)] == [[1, 1]] * 3
            for outcome in await asyncio.gather(*after):
                assert classes(outcome) == [2, 2]
                assert isinstance(outcome, Answer)
                assert outcome.outputs["model_id"].tolist() == [second.model_id] * 2

    run(clients)


def test_what_nobody_waits_for_is_not_computed(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            expired = batcher.ask(rows=3, seconds=0)
            cancelled = batcher.ask(rows=3)
            cancelled.cancel()
            kept = batcher.ask()
            models.gate.set()
            await asyncio.gather(kept, *held)
            assert not expired.done()
        assert models.batches == [1] * (cores() + 1)

    run(clients)


def test_a_row_that_the_model_dies_of_is_the_fault_of_its_request_alone(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            good, bad, other = batcher.ask(), batcher.ask_poison(rows=2), batcher.ask()
            models.gate.set()
            assert classes(await good) == classes(await other) == [1]
            refused = refusal(await bad)
            assert refused.detail.startswith("image 1 of 2: model_crashed")
            assert refused.code is Code.UNAVAILABLE
            await asyncio.gather(*held)

    run(clients)


def test_an_image_to_which_the_answer_is_no_number_is_the_fault_of_its_request_alone(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            good, bad, other = batcher.ask(), batcher.ask_numbing(rows=2), batcher.ask()
            models.gate.set()
            assert classes(await good) == classes(await other) == [1]
            refused = refusal(await bad)
            assert refused.detail.startswith("image 2 of 2: non_finite_output")
            assert refused.code is Code.INTERNAL
            assert batcher.unfit == []
            await asyncio.gather(*held)

    run(clients)


@pytest.mark.parametrize("how", ["broken", "numb"])
def test_a_model_that_fails_on_its_own_image_gives_way_and_the_batch_is_answered(models: HeldModels, how: str) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            second = await asyncio.to_thread(models.bring, 2)
            getattr(models, how).add(second.sha256)
            answer = await batcher.ask()
            assert classes(answer) == [1]
            assert isinstance(answer, Answer) and answer.reference != second
            assert len(batcher.unfit) == 1

    run(clients)


def test_what_waits_for_a_model_that_was_taken_out_is_not_asked_of_it(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=1) as batcher:
            second = await asyncio.to_thread(models.bring, 2)
            held = await occupied(models, batcher)
            waiting = [batcher.ask() for _ in range(5 * cores())]
            models.numb.add(second.sha256)
            models.gate.set()
            assert [classes(each) for each in await asyncio.gather(*held, *waiting)] == [[1]] * 6 * cores()
        assert models.asked[second.sha256] <= 2 * cores()  # what each thread had taken, and its own image

    run(clients)


def test_a_first_request_waits_as_long_as_it_was_told_for_others(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=3, wait=50.0) as batcher:
            outcomes = await asyncio.gather(*[batcher.ask() for _ in range(3)])
        assert models.batches == [3]
        assert [outcome.spent.batch for outcome in outcomes if isinstance(outcome, Answer)] == [3, 3, 3]

    run(clients)


def test_whoever_waits_when_it_closes_is_told_so(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            waiting = batcher.ask()
            batcher.batcher.close()
            for outcome in await waiting, await batcher.ask():
                assert refusal(outcome).code is Code.UNAVAILABLE
            models.gate.set()
            assert len(await asyncio.gather(*held)) == cores()

    run(clients)


def test_what_cannot_be_counted_is_answered_all_the_same(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            batcher.counts = False
            for _ in range(2 * cores()):
                assert classes(await batcher.ask()) == [1]

    run(clients)


def test_a_batch_of_which_a_trial_has_to_know_is_handed_on_with_what_the_model_gave(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=8) as batcher:
            held = await occupied(models, batcher)
            waiting = [batcher.ask(), batcher.ask(rows=2, part=PART)]
            models.gate.set()
            await asyncio.gather(*held, *waiting)
        eventually(lambda: batcher.noted, "the batch to be handed on")
        [computed] = batcher.noted
        assert [job.part for job in computed.jobs if job.part] == [PART]
        assert computed.is_whole and computed.images == sum(job.asked.rows for job in computed.jobs)

    run(clients)


def test_nobody_waits_for_jobs_before_the_first_one(models: HeldModels) -> None:
    async def clients() -> None:
        before = set(threading.enumerate())
        with batching(models) as batcher:
            assert set(threading.enumerate()) == before
            assert classes(await batcher.ask()) == [1]
            assert len(set(threading.enumerate()) - before) >= cores()

    run(clients)


def test_the_next_batch_is_no_larger_than_it_is_to_be_compared_with(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=8) as batcher:
            held = await occupied(models, batcher)
            waiting = [batcher.ask() for _ in range(6)]
            batcher.batcher.limit_next(2)
            models.gate.set()
            await asyncio.gather(*held, *waiting)
        assert sorted(models.batches[cores() :]) == [2, 4]

    run(clients)


def test_a_model_whose_requests_are_over_retires(models: HeldModels) -> None:
    async def clients() -> None:
        gc.disable()  # so that whatever is held by cycles stays
        try:
            with batching(models) as batcher:
                await asyncio.gather(batcher.ask(), batcher.ask_poison(rows=1))
                await asyncio.to_thread(models.bring, 2)
                alone = functools.partial(eventually, lambda: models.live.resident() == 1, "the first model to be gone")
                await asyncio.to_thread(alone)
        finally:
            gc.enable()

    run(clients)
