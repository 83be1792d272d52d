"""A result file that runs share: whoever appends waits for whoever is writing."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.json_lines import append_whole, drop_half_line
from tests.waiting import eventually


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"1\n")
    return path


def append_a_line(path: Path) -> None:
    append_whole(path, b"3\n")


def drop_half_a_line(path: Path) -> None:
    assert drop_half_line(path) == 0


@pytest.mark.parametrize(
    ("act", "after"), [(append_a_line, b"1\n2\n3\n"), (drop_half_a_line, b"1\n2\n")], ids=["append", "drop"]
)
def test_half_a_line_of_a_run_that_is_still_writing_is_waited_for(
    results: Path, act: Callable[[Path], None], after: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    really_lock = fcntl.flock

    def lock(descriptor: int, operation: int) -> None:
        asked.set()
        really_lock(descriptor, operation)

    with ThreadPoolExecutor(1) as pool, results.open("ab", buffering=0) as other_run:
        really_lock(other_run, fcntl.LOCK_EX)
        monkeypatch.setattr(fcntl, "flock", lock)
        other_run.write(b"2")
        acting = pool.submit(act, results)
        eventually(lambda: asked.is_set() or acting.done(), "the lock to be asked for")
        other_run.write(b"\n")
        other_run.close()
        acting.result()
    assert results.read_bytes() == after


def test_nobody_else_gets_the_lock_while_lines_are_written(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_write = os.write
    refused: list[bool] = []

    def write(descriptor: int, data: bytes) -> int:
        with results.open("ab") as other_run:
            try:
                fcntl.flock(other_run, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                refused.append(True)
        return really_write(descriptor, data[:1])

    monkeypatch.setattr(os, "write", write)
    append_whole(results, b"2\n")
    monkeypatch.undo()
    assert refused == [True, True]
    with results.open("ab") as other_run:
        fcntl.flock(other_run, fcntl.LOCK_EX | fcntl.LOCK_NB)  # and afterwards it is free
