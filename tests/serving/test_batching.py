"""Batches of what many clients ask: who goes with whom, who answers, and who is left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from models.compute_threads import cores
from models.images.decoding import Raster
from models.live import LiveModel
from serving.asking import Answer, Asked, Code, Refused, Tensor
from serving.batching import Batcher, Job
from tests.serving.held_models import POISON, HeldModels
from tests.waiting import eventually

GREY = np.full((8, 8, 3), 128, np.uint8)


@pytest.fixture
def models(tmp_path: Path) -> Iterator[HeldModels]:
    held = HeldModels(tmp_path)
    held.bring(1)
    yield held
    held.gate.set()
    held.live.close()


@contextmanager
def batching(models: HeldModels, largest: int = 8, wait: float = 0.0) -> Iterator[Batcher]:
    batcher = Batcher(models.live, largest, wait, lambda model_id, images, others_wait: None)
    try:
        yield batcher
    finally:
        models.gate.set()
        batcher.close()


def ask(
    batcher: Batcher, *rows: Raster, model: LiveModel | None = None, seconds: float = 60.0
) -> asyncio.Future[Answer]:
    """Puts a request of images, and answers its answer to come."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    asked = Asked(images=[b"-"] * len(rows))
    batcher.put(Job(asked, model, future, time.monotonic() + seconds, rows))
    return future


def ask_tensor(batcher: Batcher, first: float = 0.0, rows: int = 1, side: int = 8) -> asyncio.Future[Answer]:
    values = np.zeros((rows, side, 8, 3), np.float32)
    values[0, 0, 0, 0] = first
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    batcher.put(Job(Asked(tensor=Tensor("", values)), None, future, time.monotonic() + 60, list(values)))
    return future


def image() -> Raster:
    return Raster(GREY)


async def occupied(models: HeldModels, batcher: Batcher) -> list[asyncio.Future[Answer]]:
    """Has each thread be at work on a batch of one, until the gate is opened."""
    models.gate.clear()
    held = []
    for count in range(1, cores() + 1):
        held.append(ask(batcher, image()))
        await asyncio.to_thread(models.await_batches, len(models.batches) + 1 if count == 1 else count)
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
            waiting = [ask(batcher, image(), image()) for _ in range(5)]
            models.gate.set()
            answers = await asyncio.gather(*held, *waiting)
        assert models.batches[: cores()] == [1] * cores()
        assert sorted(models.batches[cores() :]) == [2, 8]
        assert all(answer.outputs["classes"].tolist() in ([1], [1, 1]) for answer in answers)
        assert answers[-5].spent.batch == 8

    run(clients)


def test_a_batch_is_no_larger_than_what_the_engine_computes_at_once(models: HeldModels) -> None:
    models.largest_run = 3
    models.bring(2)

    async def clients() -> None:
        with batching(models, largest=8) as batcher:
            held = await occupied(models, batcher)
            waiting = [ask(batcher, image()) for _ in range(6)]
            models.gate.set()
            await asyncio.gather(*held, *waiting)
        assert models.batches[cores() :] == [3, 3]

    run(clients)


def test_a_request_larger_than_a_batch_is_one_by_itself(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=4) as batcher:
            answer = await ask(batcher, *[image()] * 11)
        assert answer.outputs["classes"].tolist() == [1] * 11
        assert models.batches == [11]

    run(clients)


def test_all_answers_of_a_request_are_of_one_model_through_a_swap(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            waiting = [ask(batcher, image(), image()) for _ in range(3)]
            second = await asyncio.to_thread(models.bring, 2)
            models.gate.set()
            assert [answer.outputs["classes"].tolist() for answer in await asyncio.gather(*held)] == [[1]] * cores()
            for answer in await asyncio.gather(*waiting):
                assert answer.outputs["classes"].tolist() == [2, 2]
                assert answer.outputs["model_id"].tolist() == [second.model_id] * 2

    run(clients)


def test_who_asked_for_a_version_gets_that_one_though_another_went_live(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            first = models.now()
            held = await occupied(models, batcher)
            pinned, free = ask(batcher, image(), model=first), ask(batcher, image())
            await asyncio.to_thread(models.bring, 2)
            models.gate.set()
            assert (await pinned).reference == first.reference
            assert (await pinned).outputs["classes"].tolist() == [1]
            assert (await free).outputs["classes"].tolist() == [2]
            await asyncio.gather(*held)

    run(clients)


def test_what_nobody_waits_for_is_not_computed(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            expired = ask(batcher, image(), image(), image(), seconds=0)
            cancelled = ask(batcher, image(), image(), image())
            cancelled.cancel()
            kept = ask(batcher, image())
            models.gate.set()
            await asyncio.gather(kept, *held)
            assert not expired.done()
        assert models.batches == [1] * (cores() + 1)

    run(clients)


def test_a_row_that_the_model_dies_of_is_the_fault_of_its_request_alone(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            good, bad, other = ask(batcher, image()), ask_tensor(batcher, POISON, rows=2), ask_tensor(batcher)
            models.gate.set()
            assert (await good).outputs["classes"].tolist() == [1]
            assert (await other).outputs["classes"].tolist() == [1]
            with pytest.raises(Refused, match="image 1 of 2: model_crashed") as refused:
                await bad
            assert refused.value.code is Code.UNAVAILABLE
            await asyncio.gather(*held)

    run(clients)


def test_a_tensor_that_does_not_fit_is_refused_and_its_neighbours_are_answered(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            unfit, good = ask_tensor(batcher, side=9), ask_tensor(batcher)
            models.gate.set()
            with pytest.raises(
                Refused, match=r"float32 \[-1, 8, 8, 3\], and float32 \[1, 9, 8, 3\] was given"
            ) as refused:
                await unfit
            assert refused.value.code is Code.INVALID_ARGUMENT
            assert (await good).outputs["classes"].tolist() == [1]
            await asyncio.gather(*held)

    run(clients)


def test_a_model_that_fails_on_its_own_image_gives_way_and_the_batch_is_answered(models: HeldModels) -> None:
    async def clients() -> None:
        first = models.now().reference
        with batching(models) as batcher:
            second = await asyncio.to_thread(models.bring, 2)
            models.broken.add(second.sha256)
            assert (await ask(batcher, image())).reference == first

    run(clients)


def test_a_first_request_waits_as_long_as_it_was_told_for_others(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models, largest=3, wait=50.0) as batcher:
            answers = await asyncio.gather(*[ask(batcher, image()) for _ in range(3)])
        assert models.batches == [3]
        assert [answer.spent.batch for answer in answers] == [3, 3, 3]

    run(clients)


def test_whoever_waits_when_it_closes_is_told_so(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            held = await occupied(models, batcher)
            waiting = ask(batcher, image())
            batcher.close()
            with pytest.raises(Refused, match="ending") as refused:
                await waiting
            assert refused.value.code is Code.UNAVAILABLE
            with pytest.raises(Refused, match="ending"):
                await ask(batcher, image())
            models.gate.set()
            assert len(await asyncio.gather(*held)) == cores()

    run(clients)


def test_a_model_that_was_asked_for_by_its_version_retires_all_the_same(models: HeldModels) -> None:
    async def clients() -> None:
        with batching(models) as batcher:
            await ask(batcher, image(), model=models.now())
            await asyncio.to_thread(models.bring, 2)
            await asyncio.to_thread(eventually, lambda: models.live.resident() == 1, "the first model to be gone")

    run(clients)
