"""The access log has a line for each request, whatever strangers write into it and whatever becomes of the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from serving.asking import Code, Refused
from serving.telemetry.call import LONGEST_ID, LONGEST_TEXT, Call
from serving.telemetry.request_log import RequestLog
from tests.serving.telemetry.calls import MODEL, PREDICT, answered, refused


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.jsonl"


def test_a_line_tells_who_asked_what_and_where_the_time_went(path: Path) -> None:
    call = answered(**{"x-request-id": "r-1"})
    call.time_ns, call.trace_id = 1_700_000_000_123_456_789, "ab" * 16
    assert RequestLog(path).write([call]) == 0

    assert lines(path) == [
        {
            "time": "2023-11-14T22:13:20.123457Z",
            "transport": "grpc",
            "protocol": "tensorflow",
            "method": PREDICT,
            "client": "127.0.0.1",
            "code": "OK",
            "seconds": 0.235,
            "bytes": 4000,
            "rows": 2,
            "model_id": MODEL.model_id,
            "decoding": 0.002,
            "waiting": 0.03,
            "computing": 0.2,
            "batch": 5,
            "request_id": "r-1",
            "trace_id": "ab" * 16,
        }
    ]


def test_a_refusal_says_why(path: Path) -> None:
    RequestLog(path).write([refused()])
    [line] = lines(path)
    assert (line["status"], line["error"], line["detail"]) == (404, "not_found", "there is no model 'other' here")
    assert (line["method"], line["path"]) == ("POST", "/v1/models/other:predict")
    assert "model_id" not in line
    assert "code" not in line


@pytest.mark.parametrize("text", ['"}\n{"time": "forged', "\r\x1b[2J\x00", "\u2028\u2029\x85\x0b\x0c", "\udcff", "é😀"])
def test_what_strangers_write_stays_on_its_line(text: str, path: Path) -> None:
    call = Call("http", "GET", text, text, False)
    call.take_headers({"x-request-id": text})
    call.error, call.detail, call.status = "invalid_argument", text, 400
    RequestLog(path).write([call])

    written = path.read_bytes()
    assert written.count(b"\n") == 1
    assert len(written.decode().splitlines()) == 1
    assert "\x1b" not in written.decode()
    [line] = lines(path)
    assert line["status"] == 400


def test_what_strangers_write_is_cut() -> None:
    call = Call("grpc", PREDICT, "", "10.0.0.7", False)
    call.take_headers(dict.fromkeys(("x-request-id", "traceparent", "tracestate", "authorization"), "y" * 60000))
    call.was_refused(Refused(Code.INVALID_ARGUMENT, "z" * 60_000))
    assert len(call.request_id) == LONGEST_ID
    assert len(call.detail) == LONGEST_TEXT
    assert call.parent == {}


def test_a_file_that_was_moved_away_is_begun_anew(path: Path) -> None:
    log = RequestLog(path)
    log.write([answered()])
    moved = path.rename(path.with_suffix(".1"))
    log.write([refused()])
    assert [line["transport"] for line in lines(moved)] == ["grpc"]
    assert [line["transport"] for line in lines(path)] == ["http"]


def test_a_file_that_was_emptied_in_its_place_goes_on(path: Path) -> None:
    log = RequestLog(path)
    log.write([answered()])
    os.truncate(path, 0)
    log.write([refused()])
    assert [line["transport"] for line in lines(path)] == ["http"]


def test_what_was_there_stays_there(path: Path) -> None:
    RequestLog(path).write([answered()])
    RequestLog(path).write([refused()])
    assert len(lines(path)) == 2


def test_what_cannot_be_written_is_counted_and_said_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = RequestLog(path)
    path.unlink()
    path.mkdir()
    assert [log.write([answered(), refused()]) for _ in range(3)] == [2, 2, 2]
    assert caplog.text.count("cannot be written") == 1
    path.rmdir()
    assert log.write([answered()]) == 0
    path.unlink()
    path.mkdir()
    log.write([answered()])
    assert caplog.text.count("cannot be written") == 2


def test_a_full_disk_leaves_no_half_line() -> None:
    assert RequestLog(Path("/dev/full")).write([answered()]) == 1


def test_standard_output_has_lines_too(capfd: pytest.CaptureFixture[str]) -> None:
    assert RequestLog(None).write([answered(), refused()]) == 0
    assert [json.loads(line)["transport"] for line in capfd.readouterr().out.splitlines()] == ["grpc", "http"]
