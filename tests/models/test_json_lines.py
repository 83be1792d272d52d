"""JSON Lines that survive a writer's end: whole lines stay, half ones go, and runs that share a file take turns."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.json_lines import append_whole, appendable, drop_half_line, whole_records
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


def test_a_folder_gets_its_records_in_one_file(tmp_path: Path) -> None:
    assert appendable(str(tmp_path)) == tmp_path / "records.jsonl"
    assert appendable(str(tmp_path / "new")) == tmp_path / "new" / "records.jsonl"


def test_half_a_line_of_a_killed_run_is_cut_off_and_whole_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"a":1}\n{"b"')

    assert drop_half_line(path) == 4
    assert path.read_bytes() == b'{"a":1}\n'
    assert drop_half_line(path) == 0


@pytest.mark.parametrize("content", [b"", b"x" * 200_000, b"y" * 100_000 + b"\n" + b"z" * 100_000])
def test_half_lines_longer_than_a_block_are_found(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(content)

    drop_half_line(path)

    assert path.read_bytes() == content[: content.rfind(b"\n") + 1]


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"
    append_whole(path, b"first\n")
    really_write = os.write

    def write_a_little(descriptor: int, data: bytes) -> int:
        if len(data) <= 3:
            raise OSError(28, "No space left on device")
        return really_write(descriptor, data[:3])

    monkeypatch.setattr(os, "write", write_a_little)
    with pytest.raises(OSError, match="No space left"):
        append_whole(path, b"second\n")

    assert path.read_bytes() == b"first\n"


def test_a_writer_killed_in_the_middle_never_costs_the_next_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.touch()
    line = b'{"n":"' + b"x" * 3_000_000 + b'"}\n'
    for _ in range(10):
        before = path.stat().st_size
        child = os.fork()
        if child == 0:
            for _ in itertools.count():
                append_whole(path, line)
        eventually(lambda before=before: path.stat().st_size > before, "a line under way")  # type: ignore[misc]
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        append_whole(path, b'{"whole":1}\n')

        assert set(path.read_bytes().splitlines(keepends=True)) <= {line, b'{"whole":1}\n'}
        os.truncate(path, 0)


def test_half_a_line_in_the_file_is_cut_off_before_more_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b'{"a":1}\n{"b"')

    append_whole(path, b'{"c":1}\n')

    assert path.read_bytes() == b'{"a":1}\n{"c":1}\n'


def test_what_is_still_being_written_is_no_record_yet(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert whole_records(path) == []
    path.write_bytes(b'{"n": 1}\n{"n": 2}\n{"n"')
    assert whole_records(path) == [{"n": 1}, {"n": 2}]
