"""What one worker promises where panes of the model side input reach it late, as on Dataflow.

A real SDK worker process is given the main path of the graph that Dataflow gets. The test plays the runner.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beam_pipeline.options import EXPERIMENTS_FOR_SIDE_INPUTS
from models.json_lines import whole_records
from models.reference import Statement
from tests.end_to_end.sdk_worker_process import SdkWorkerProcess, job_for_workers
from tests.end_to_end.telling_models import stated, untrue
from tests.waiting import eventually

Worker = Callable[..., SdkWorkerProcess]


@pytest.fixture
def worker(world: Path) -> Iterator[Worker]:
    started: list[SdkWorkerProcess] = []

    def start(**how: object) -> SdkWorkerProcess:
        started.append(SdkWorkerProcess(job_for_workers(world, world / "cache"), **how))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for each in started:
        each.close()


def labels(world: Path) -> list[str]:
    return [result["label"] for result in whole_records(world / "results.jsonl")]


def test_a_busy_worker_takes_up_each_new_pane_and_a_late_old_one_changes_nothing(world: Path, worker: Worker) -> None:
    ids, (first, second) = stated(world, "first", "second")
    busy, numbers = worker(), itertools.count()

    def bundle(sees: Statement) -> list[str]:
        before = len(labels(world))
        busy.give(str(world / "image.png"), [str(next(numbers)) for _ in range(3)], sees)
        return labels(world)[before:]

    assert bundle(first) == ["first"] * 3
    eventually(lambda: bundle(second) == ["second"] * 3, "the second model to take over")
    assert [bundle(pane) for pane in (first, second, first)] == [["second"] * 3] * 3

    rollback = Statement(first.reference, second.epoch + 1)
    eventually(lambda: bundle(rollback) == ["first"] * 3, "the first model to be back")
    assert untrue(whole_records(world / "results.jsonl"), ids) == []
    assert sorted(int(r["message_id"]) for r in whole_records(world / "results.jsonl")) == list(range(next(numbers)))


def test_without_the_experiment_that_the_launch_sets_a_busy_worker_would_miss_the_swap(
    world: Path, worker: Worker
) -> None:
    """Beam keeps a global-window side input for as long as a bundle processor is in use.

    If this fails, Beam has changed for the better: `EXPERIMENTS_FOR_SIDE_INPUTS` may then have become needless.
    """
    _, (first, second) = stated(world, "first", "second")
    busy = worker(without=EXPERIMENTS_FOR_SIDE_INPUTS)

    busy.give(str(world / "image.png"), ["0"], first)
    for number in range(1, 20):
        busy.give(str(world / "image.png"), [str(number)], second)
    assert set(labels(world)) == {"first"}
    assert busy.loaded() == {first.reference.model_id: 1}
