"""Two runs of a job share a process and nothing else: one that ends leaves the other as it was."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from launch.pubsub_emulator import PubSubEmulator
from models.errors import ModelsClosed
from models.images.decoding import Raster
from models.serving import ServingConfig
from tests.end_to_end.telling_models import drop
from tests.waiting import eventually
from transforms.process import JobRun
from transforms.pubsub.errors import PublishingStopped
from transforms.pubsub.publisher import Outgoing

LATE = "projects/demo-project/topics/late"


@pytest.fixture
def runs() -> Iterator[tuple[JobRun, JobRun]]:
    both = JobRun(f"left-{uuid.uuid4()}"), JobRun(f"right-{uuid.uuid4()}")
    yield both
    for each in both:
        each.here.end()


def test_each_run_counts_its_own(runs: tuple[JobRun, JobRun]) -> None:
    left, right = runs
    left.here.meter.count("images_read", 3)

    assert JobRun(left.name).here.meter.tally() == {"images_read": 3}
    assert right.here.meter.tally() == {}


def test_one_that_ends_leaves_the_other_waiting_for_its_topic(
    runs: tuple[JobRun, JobRun], emulator: PubSubEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(2) as side_by_side:
        ours, theirs = (
            side_by_side.submit(run.here.publishers.of(LATE).publish, [Outgoing(b"record")]) for run in runs
        )
        eventually(lambda: caplog.text.count("cannot be published to") == 2, "both to wait")

        runs[0].here.end()

        with pytest.raises(PublishingStopped):
            ours.result(20)
        emulator.create_topic(LATE)
        assert theirs.result(60) > 0


def test_one_that_ends_leaves_the_models_of_the_other_answering(runs: tuple[JobRun, JobRun], tmp_path: Path) -> None:
    left, right = runs
    ended, going = (ServingConfig(f"{tmp_path}/{name}/*.onnx", 0.1, cache_folder=f"{tmp_path}/c") for name in "ab")
    for folder, run, config in (("a", left, ended), ("b", right, going)):
        (tmp_path / folder).mkdir()
        drop(tmp_path / folder, folder)
        statement = run.here.serving(config).watch.wait_for_statement()
        assert statement is not None
        run.here.serving(config).live.follow(statement)
        assert run.here.serving(config).live.current().card.name == folder

    left.here.end()

    with pytest.raises(ModelsClosed):
        left.here.serving(ended)
    model = right.here.serving(going).live.current()
    assert len(model.predict([Raster(np.zeros((8, 8, 3), np.uint8))])) == 1
    drop(tmp_path / "b", "newer")
    watch = right.here.serving(going).watch
    eventually(lambda: watch.statement and watch.statement.reference.uri.endswith("newer.onnx"), "the newer model")
