"""The core on a real folder of models: who is let in, and what is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.serving import ServingConfig
from models.storage.schemes import AnyStorage
from serving.admission import Room
from serving.asking import Asked, Code, Refused, Tensor, version_of
from serving.core import Core, CoreConfig
from tests.end_to_end.telling_models import SIDE, drop
from tests.sample_images import encoded

IMAGE = encoded(Image.new("RGB", (40, 30), (9, 200, 7)), "PNG")


@asynccontextmanager
async def begun(folder: Path, room: Room | None = None) -> AsyncIterator[Core]:
    """A core whose first model is live."""
    (folder / "models").mkdir(exist_ok=True)
    drop(folder / "models", "first")
    pattern = str(folder / "models/*.onnx")
    config = ServingConfig(pattern, poll_seconds=0.05, max_batch_size=4, cache_folder=str(folder / "cache"))
    core = Core(CoreConfig(config, room=room or Room()), AnyStorage())
    try:
        await core.wait_until_ready()
        yield core
    finally:
        await asyncio.to_thread(core.close)


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(120):
            await what()

    asyncio.run(limited())


async def swapped(core: Core, folder: Path, name: str) -> None:
    """Has another model be live."""
    model_id = drop(folder / "models", name)
    while core.live is None or core.live.reference.model_id != model_id:
        await asyncio.sleep(0.01)


def test_room_is_counted_by_what_images_take_once_they_are_decoded(tmp_path: Path) -> None:
    taken = SIDE * SIDE * 3 * 4

    async def clients() -> None:
        async with begun(tmp_path, Room(images=100, size=3 * (taken + len(IMAGE)))) as core:
            assert len((await core.answer(Asked([IMAGE] * 3), "test")).outputs["labels"]) == 3
            with pytest.raises(Refused, match="send several") as refused:
                await core.answer(Asked([IMAGE] * 4), "test")
            assert refused.value.code is Code.INVALID_ARGUMENT

    run(clients)


def test_refused_requests_keep_no_model_that_is_to_retire(tmp_path: Path) -> None:
    async def clients() -> None:
        async with begun(tmp_path) as core:
            live = core.live
            assert live is not None
            version = version_of(live.reference)
            del live
            gc.collect()
            gc.disable()  # so that whatever is held by cycles stays
            try:
                for asked in (
                    Asked([b"no image"], version=version),
                    Asked([IMAGE], outputs=["none"], version=version),
                    Asked(tensor=Tensor("", np.zeros((1, 2, 2, 3), np.float32)), version=version),
                    Asked([IMAGE], version=1),
                ):
                    with pytest.raises(Refused):
                        await core.answer(asked, "test")
                await core.answer(Asked([IMAGE], version=version), "test")
                await swapped(core, tmp_path, "second")
                while b"hotswap_models_in_memory 1.0" not in core.metrics.text():
                    await asyncio.sleep(0.01)
            finally:
                gc.enable()

    run(clients)


def test_a_tensor_that_fitted_when_it_came_is_answered_through_a_swap(tmp_path: Path) -> None:
    async def clients() -> None:
        async with begun(tmp_path) as core:
            tensor = Tensor("image", np.zeros((1, SIDE, SIDE, 3), np.float32))
            stop = asyncio.Event()
            labels: set[str] = set()

            async def client() -> None:
                while not stop.is_set():
                    answer = await core.answer(Asked(tensor=tensor), "test")
                    [label], [model_id] = answer.outputs["labels"], answer.outputs["model_id"]
                    assert f"/{label}.onnx@" in model_id
                    labels.add(label)

            client_task = asyncio.ensure_future(client())
            for name in ("second", "third", "fourth"):
                await swapped(core, tmp_path, name)
            stop.set()
            await client_task
            assert {"first", "fourth"} & labels

    run(clients)
