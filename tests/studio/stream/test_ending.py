"""A job never outlives its studio, and ends when the studio says so, not when the terminal does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from launch.pubsub_emulator import PubSubEmulator
from studio.stream import tether
from tests.studio.stream.one_studio import PATIENCE_SECONDS, jobs_of
from tests.waiting import eventually


@pytest.fixture
def studio(emulator: PubSubEmulator, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, whose stream runs."""
    studio = subprocess.Popen(
        [sys.executable, "-m", "tests.studio.stream.studio_process", str(tmp_path)],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"HOTSWAP_CACHE": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with studio:
        try:
            assert studio.stdout is not None
            assert studio.stdout.readline() == "running\n"
            yield studio
        finally:
            studio.kill()


def _alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_a_studio_that_is_killed_leaves_no_process_behind(studio: subprocess.Popen[str]) -> None:
    started = psutil.Process(studio.pid).children(recursive=True)
    [job] = jobs_of(studio.pid)
    assert job in started

    studio.kill()

    eventually(lambda: not _alive(started), "all that it had started to end", PATIENCE_SECONDS)


def test_a_job_that_hangs_ends_with_its_studio_too(studio: subprocess.Popen[str]) -> None:
    started = psutil.Process(studio.pid).children(recursive=True)
    [job] = jobs_of(studio.pid)
    job.suspend()

    studio.kill()

    eventually(lambda: not _alive(started), "all that it had started to end", PATIENCE_SECONDS)


def test_what_the_terminal_tells_its_whole_group_does_not_reach_the_job(studio: subprocess.Popen[str]) -> None:
    [job] = jobs_of(studio.pid)

    assert os.getpgid(studio.pid) == studio.pid
    assert (os.getsid(job.pid), os.getpgid(job.pid)) == (job.pid, job.pid)


def test_a_job_whose_studio_is_gone_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    nobody = str(os.getppid())

    tethered = subprocess.run([sys.executable, "-I", tether.__file__, nobody, "/usr/bin/env", "touch", str(begun)])

    assert (tethered.returncode, begun.exists()) == (1, False)
