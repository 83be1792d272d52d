"""What the job says is kept in little room, and what is wrong is told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from studio.stream.job_log import MAX_BYTES, JobLog
from tests.studio.stream.one_studio import Wrong

TIME = "2030-01-02 03:04:05,678"


@pytest.fixture
def wrong() -> Wrong:
    return Wrong()


@pytest.fixture
def log(tmp_path: Path, wrong: Wrong) -> JobLog:
    return JobLog(tmp_path / "stream.log", wrong)


def say(log: JobLog, *lines: str | bytes) -> None:
    data = b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    log.follow(io.BytesIO(data)).join(60)


def test_every_line_is_kept(log: JobLog, tmp_path: Path) -> None:
    say(log, f"{TIME} INFO begun", "anything else", "")
    say(log, f"{TIME} INFO begun again")

    assert (tmp_path / "stream.log").read_text().splitlines() == [
        f"{TIME} INFO begun", "anything else", f"{TIME} INFO begun again"
    ]  # fmt: skip
    assert log.last_line == "begun again"


def test_the_file_does_not_grow_beyond_its_bounds(log: JobLog, tmp_path: Path) -> None:
    say(log, *["x" * 1000] * 10_000)

    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"stream.log", "stream.log.1"}
    assert max(sizes.values()) <= MAX_BYTES


def test_a_line_without_an_end_and_bytes_that_are_no_text_are_kept_in_pieces_and_inert(
    log: JobLog, tmp_path: Path
) -> None:
    say(log, b"x" * 100_000, b"\xff\x1b[2J")

    lines = (tmp_path / "stream.log").read_text().splitlines()
    assert max(map(len, lines)) < 10_000
    assert "\x1b" not in lines[-1]


def test_warnings_and_errors_are_told_and_the_last_error_is_why_it_ended(log: JobLog, wrong: Wrong) -> None:
    say(log, f"{TIME} INFO fine", f"{TIME} WARNING Resource module is not available for current platform")
    assert wrong.told == []

    say(log, f"{TIME} WARNING slow", f"{TIME} ERROR broken", "error: the job failed: no disk")

    assert wrong.told == [f"the stream says: {each}" for each in ("slow", "broken", "the job failed: no disk")]
    assert log.error == "the job failed: no disk"
    say(log, f"{TIME} INFO another job")
    assert log.error == ""
    log.close()
    assert wrong.now == {}


def test_what_was_said_before_a_model_went_live_is_over(log: JobLog, wrong: Wrong) -> None:
    say(log, f"{TIME} WARNING no model file matches, waiting for one")
    assert "stream_log" in wrong.now

    log.forget()

    assert wrong.now == {}


def test_a_folder_that_cannot_be_written_to_costs_lines_alone(tmp_path: Path, wrong: Wrong) -> None:
    log = JobLog(tmp_path / "missing" / "stream.log", wrong)

    say(log, f"{TIME} ERROR broken")

    assert log.error == "broken"
