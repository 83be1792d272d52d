"""From encoded images to what a model takes: in turn, in little memory, and each failure by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.images.decoding import DecodeLimits, decode_image
from models.images.model_input import model_input
from serving import preparing
from serving.asking import Asked, Code, Refused, Tensor
from serving.preparing import Job, Outcome, Preparer, require_fit
from tests.sample_images import encoded
from tests.serving.held_models import HeldModels

LIMITS = DecodeLimits()


@pytest.fixture
def models(tmp_path: Path) -> Iterator[HeldModels]:
    held = HeldModels(tmp_path)
    held.bring(1)
    yield held
    held.live.close()


def picture(side: int, value: int = 90) -> bytes:
    return encoded(Image.new("RGB", (side, side), (value, 20, 30)), "PNG")


def prepared(models: HeldModels, images: Sequence[bytes], exact: bool = False) -> tuple[Job, Outcome | None]:
    """A job of these images, once it is prepared or refused; and how it was refused."""

    async def on_a_loop() -> tuple[Job, Outcome | None]:
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()

        def done(job: Job) -> None:
            loop.call_soon_threadsafe(ready.set)

        preparer = Preparer(LIMITS, exact, done)
        job = Job(Asked(images), models.now(), loop.create_future(), time.monotonic() + 60)
        preparer.begin(job)
        waiting = [asyncio.ensure_future(each) for each in (ready.wait(), job.outcome)]
        async with asyncio.timeout(60):
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        preparer.close()
        return job, job.outcome.result() if job.outcome.done() else None

    return asyncio.run(on_a_loop())


def test_images_become_what_the_model_takes_in_their_order(models: HeldModels) -> None:
    images = [picture(20, value) for value in range(7)]
    job, refused = prepared(models, images)
    assert refused is None
    needed = (8, 8)
    rasters = [decode_image(each, limits=LIMITS, needed=needed) for each in images]
    assert np.array_equal(job.values, model_input(rasters, models.now().manifest))


@pytest.mark.parametrize("exact", [False, True])
def test_what_waits_takes_no_more_memory_than_the_model_takes(models: HeldModels, exact: bool) -> None:
    job, _ = prepared(models, [picture(1500)] * 8, exact)
    assert job.values.nbytes == 8 * models.now().manifest.image_bytes
    for outline in job.outlines:
        assert outline is not None
        assert outline.proportions[0] == outline.proportions[1]
        assert outline.pixels.strides == (0, 0, 0)


def test_an_image_that_is_none_refuses_its_request_and_names_itself(models: HeldModels) -> None:
    _, refused = prepared(models, [picture(20), b"no image", picture(20)])
    assert isinstance(refused, Refused)
    assert refused.code is Code.INVALID_ARGUMENT
    assert refused.detail.startswith("image 2 of 3: not_an_image")


def test_a_request_of_many_images_holds_up_none_of_few(models: HeldModels, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []
    both_there = threading.Event()

    def noted(data: bytes, **settings: object) -> object:
        both_there.wait(60)
        decoded.append(data)
        return decode_image(data, limits=LIMITS)

    monkeypatch.setattr(preparing, "decode_image", noted)
    few, many = picture(9), picture(10)

    async def clients() -> None:
        loop = asyncio.get_running_loop()
        finished: asyncio.Queue[Job] = asyncio.Queue()

        def done(job: Job) -> None:
            loop.call_soon_threadsafe(finished.put_nowait, job)

        preparer = Preparer(LIMITS, False, done)
        for images in ([many] * 50, [few]):
            preparer.begin(Job(Asked(images), models.now(), loop.create_future(), time.monotonic() + 60))
        both_there.set()
        async with asyncio.timeout(60):
            assert len((await finished.get()).values) == 1
            assert len((await finished.get()).values) == 50
        preparer.close()

    _run(clients)
    assert decoded.index(few) < 10


def test_nothing_more_is_decoded_for_whoever_is_gone(models: HeldModels) -> None:
    async def clients() -> None:
        loop = asyncio.get_running_loop()
        handed_on: list[Job] = []
        preparer = Preparer(LIMITS, False, handed_on.append)
        gone = Job(Asked([picture(9)] * 3), models.now(), loop.create_future(), time.monotonic() + 60)
        gone.outcome.cancel()
        preparer.begin(gone)
        last = Job(Asked([picture(9)]), models.now(), loop.create_future(), time.monotonic() + 60)
        preparer.begin(last)
        async with asyncio.timeout(60):
            while last not in handed_on:
                await asyncio.sleep(0)
        assert handed_on == [last]
        preparer.close()

    _run(clients)


def test_a_tensor_must_be_what_the_model_takes(models: HeldModels) -> None:
    model = models.now()
    good = np.zeros((2, 8, 8, 3), np.float32)
    for name in ("", model.manifest.input_name):
        require_fit(Asked(tensor=Tensor(name, good)), model)
    for name, values, why in (
        ("other", good, "there is no input 'other'; the live model takes 'input', or 'images'"),
        ("", good.astype(np.float64), r"is float32 \[-1, 8, 8, 3\], and float64 \[2, 8, 8, 3\] was given"),
        ("", good[:, :7], r"float32 \[2, 7, 8, 3\] was given"),
        ("", good[0], r"float32 \[8, 8, 3\] was given"),
    ):
        with pytest.raises(Refused, match=why) as refused:
            require_fit(Asked(tensor=Tensor(name, values)), model)
        assert refused.value.code is Code.INVALID_ARGUMENT


def _run(what: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await what()

    asyncio.run(whole())
