"""Between a job and a host that has been taken over: the job is told, and never waits for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from models.hosting.lane import Lane
from tests.model_files import vetted_classifier

BATCH = np.zeros((1, 8, 8, 3), np.float32)


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(vetted_classifier(tmp_path).artefact.manifest, 1)
    yield lane
    lane.handed_over()
    lane.close()


def other_end(descriptor: int, flags: int) -> int:
    """What a host opens of a pipe of which it was given one end."""
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_NONBLOCK)


def test_a_host_that_fills_what_it_is_asked_through_is_noticed(lane: Lane) -> None:
    full = other_end(lane.hosts_ends.asked, os.O_WRONLY)
    with suppress(BlockingIOError):
        while True:
            os.write(full, b"x" * 4096)
    with pytest.raises(OSError, match="temporarily unavailable"):
        lane.ask(BATCH)
    os.close(full)


def test_a_host_that_takes_its_answer_back_is_noticed(lane: Lane) -> None:
    lane.ask(BATCH)
    os.write(lane.hosts_ends.answered, b"\n")
    assert lane.answered(1)
    back = other_end(lane.hosts_ends.answered, os.O_RDONLY)
    os.read(back, 1024)
    with pytest.raises(OSError, match="temporarily unavailable"):
        lane.answer()
    os.close(back)
