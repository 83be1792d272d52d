"""Several worker processes of one job, on two machines, while models are swapped under them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.json_lines import whole_records
from models.reference import Statement
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from tests.end_to_end.sdk_worker_process import SdkWorkerProcess, job_for_workers
from tests.end_to_end.telling_models import drop, untrue
from tests.waiting import eventually

BUNDLES_WHILE_STALE = 15
IMAGES = 4
NAMES = ("first", "second", "third")


@pytest.fixture
def workers(world: Path) -> Iterator[list[SdkWorkerProcess]]:
    """Three worker processes: two share the disk of one machine, the third has a machine of its own."""
    caches = [world / "machine-1", world / "machine-1", world / "machine-2"]
    with ExitStack() as closing:
        started = [SdkWorkerProcess(job_for_workers(world, cache)) for cache in caches]
        for each in started:
            closing.callback(each.close)
        yield started


@pytest.fixture
def watcher(world: Path) -> Iterator[Serving]:
    """Whichever process watches the pattern; it has a machine of its own, too."""
    config = ServingConfig(f"{world}/models/*.onnx", 0.2, "onnx", cache_folder=str(world / "machine-3"))
    watching = Serving(config, AnyStorage())
    yield watching
    watching.close()


def test_many_workers_load_each_model_once_and_agree_on_the_newest_while_every_tag_stays_true(
    world: Path, workers: list[SdkWorkerProcess], watcher: Serving
) -> None:
    ids: dict[str, str] = {}
    panes: list[Statement] = []
    chance = random.Random(2)
    given: list[list[str]] = [[] for _ in workers]

    def bundle(number: int, pane: Statement) -> None:
        messages = [f"{number}-{len(given[number]) + i}" for i in range(IMAGES)]
        given[number] += messages
        workers[number].give(str(world / "image.png"), messages, pane)

    def while_stale(number: int, shown: list[Statement]) -> None:
        for pane in shown:
            bundle(number, pane)

    def answers(number: int, name: str) -> bool:
        bundle(number, panes[-1])
        return {r["label"] for r in results() if r["message_id"] in given[number][-IMAGES:]} == {name}

    def results() -> list[dict[str, Any]]:
        return whole_records(world / "results.jsonl")

    with ThreadPoolExecutor(len(workers)) as side_by_side:
        for name in NAMES:
            ids[name] = drop(world / "models", name)
            stated = eventually(lambda: newly_stated(watcher, panes), f"{name} stated")
            assert stated is not None
            panes.append(stated)
            # Meanwhile each worker sees this pane or that before it, in an order of its own.
            shown = [[chance.choice(panes[-2:]) for _ in range(BUNDLES_WHILE_STALE)] for _ in workers]
            list(side_by_side.map(while_stale, range(len(workers)), shown))
            for number in range(len(workers)):
                eventually(partial(answers, number, name), f"worker {number} to answer with {name}")

    assert untrue(results(), ids) == []
    assert sorted(r["message_id"] for r in results()) == sorted(message for each in given for message in each)
    assert [worker.loaded() for worker in workers] == [dict.fromkeys(ids.values(), 1)] * len(workers)


def newly_stated(watcher: Serving, panes: list[Statement]) -> Statement | None:
    statement = watcher.watch.statement
    return statement if statement is not None and statement not in panes else None
