from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline

from transforms.sinks import WriteJson, append_whole, appendable, drop_half_line, encode


def test_each_record_is_one_line_of_the_file(tmp_path: Path) -> None:
    records = [{"n": n, "text": "ü\n"} for n in range(50)]

    with TestPipeline() as pipeline:
        _ = pipeline | beam.Create(records) | WriteJson(path=str(tmp_path / "deep" / "out.jsonl"))

    lines = (tmp_path / "deep" / "out.jsonl").read_text().splitlines()
    assert sorted((json.loads(line) for line in lines), key=lambda record: record["n"]) == records


def test_a_second_run_appends(tmp_path: Path) -> None:
    for _ in range(2):
        with TestPipeline() as pipeline:
            _ = pipeline | beam.Create([{"a": 1}]) | WriteJson(path=str(tmp_path / "out.jsonl"))

    assert (tmp_path / "out.jsonl").read_bytes() == b'{"a":1}\n' * 2


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


def test_bundles_that_append_side_by_side_never_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    blocks = [(f"{n}" * 500 + "\n").encode() * 20 for n in range(8)]

    threads = [threading.Thread(target=append_whole, args=(path, block)) for block in blocks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(set(path.read_bytes().splitlines(keepends=True))) == sorted({block[:501] for block in blocks})


def test_text_that_is_no_text_is_still_written_as_json() -> None:
    assert json.loads(encode({"name": "\ud800"}).decode("utf-8")) is not None
