"""What a run writes is passed on as it is, and timed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from launch.local.result_stream import Pace, follow


def line(model_id: str, seconds: int) -> bytes:
    record = {
        "model_id": model_id,
        "publish_time": "2026-01-01T00:00:00.000000Z",
        "predict_time": f"2026-01-01T00:00:{seconds:02d}.000000Z",
    }
    return json.dumps(record).encode() + b"\n"


def test_only_what_this_run_writes_is_counted(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(line("old", 1))
    pace = Pace()

    with follow(str(output), pace) as path, open(path, "ab") as file:
        file.write(line("new", 2) + line("new", 4))

    assert list(pace.to_prediction) == [2.0, 4.0]
    assert pace.percentile(50) == 3.0


def test_standard_output_gets_the_lines_and_nothing_else(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    pace = Pace()
    sys.stdout.flush()

    with follow("-", pace) as path, open(path, "ab") as file:
        file.write(line("m", 1))

    assert list(pace.to_prediction) == [1.0]
    assert capfdbinary.readouterr().out == line("m", 1)


def test_no_results_take_no_time() -> None:
    assert Pace().percentile(99) == 0.0
