"""Each record is in one file of a shared folder, whatever is tried again, and no worker has to write them all."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.trigger import AccumulationMode, AfterAny, AfterCount, AfterProcessingTime, Repeatedly

from tests.end_to_end.faulty_storage import FaultyStorage
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.own_process import run_module
from tests.serving_http import serving
from transforms.new_files import (
    REMOTE_FILE_BYTES,
    REMOTE_FILE_RECORDS,
    REMOTE_FILE_SECONDS,
    SHARDS,
    files_of,
    shard_key,
)
from transforms.sinks import WriteJson

RECORDS = 800


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StorageServer]:
    with storage_server() as server:
        proxy = FaultyStorage(server.address)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(proxy.credentials(tmp_path)))
        with serving(proxy.http):
            yield server


def test_a_bundle_that_is_tried_again_after_it_wrote_leaves_each_record_in_one_file(bucket: StorageServer) -> None:
    told = run_module("tests.transforms.writing_twice", f"gs://{BUCKET}/results/", str(RECORDS))

    written = [json.loads(line) for name in bucket.names() for line in bucket.content(name).splitlines()]
    uploads = [query for query in bucket.writes if "upload_id" in query]
    assert sorted(int(record["message_id"]) for record in written) == list(range(RECORDS))
    assert int(told) == RECORDS
    assert len(uploads) == len(bucket.names()) + 1  # one was written twice, and is there once
    by_shard = Counter(name.split("-")[1] for name in bucket.names() for _ in bucket.content(name).splitlines())
    assert len(by_shard) == SHARDS
    assert max(by_shard.values()) < 3 * RECORDS / SHARDS


def test_a_record_has_the_same_shard_on_every_worker() -> None:
    assert shard_key("results_written", b'{"message_id":"7"}') == "results_written/06"


def test_the_same_group_makes_the_same_files_and_any_other_another() -> None:
    first, again = (list(files_of(("results_written/03", [b"a", b"b"]))) for _ in range(2))
    [other] = files_of(("results_written/03", [b"b", b"a"]))

    assert [(f.name[-24:], f.data) for f in first] == [(f.name[-24:], f.data) for f in again]
    assert first[0].data == b"a\nb\n"
    assert first[0].name[-24:] != other.name[-24:]


def test_large_records_are_split_into_files_that_a_shuffle_takes() -> None:
    large = b"x" * (REMOTE_FILE_BYTES // 3)
    lines = [large, b"a", large, large, b"b", b"y" * REMOTE_FILE_BYTES, b"c"]

    files = list(files_of(("results_written/03", iter(lines))))

    assert b"".join(file.data for file in files) == b"".join(line + b"\n" for line in lines)
    assert [file.records for file in files] == [3, 2, 1, 1]
    assert all(len(file.data) <= REMOTE_FILE_BYTES for file in files if file.records > 1)


def test_what_an_older_version_of_the_job_gathered_is_written_too() -> None:
    [file] = files_of(("dead_letters_written", [b"a"]))

    assert (file.counter, file.records, file.data) == ("dead_letters_written", 1, b"a\n")


def test_files_are_written_by_count_and_by_time_and_settle_before_they_are() -> None:
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    _ = pipeline | beam.Create([{"a": 1}]) | WriteJson(path="gs://bucket/results")
    steps: list[str] = []
    windowings: list[Any] = []

    class Visitor(beam.pipeline.PipelineVisitor):
        def visit_transform(self, node: Any) -> None:
            steps.append(node.full_label)
            if node.full_label.endswith("NewFiles/Group"):
                windowings.append(node.inputs[0].windowing)

    pipeline.visit(Visitor())
    [windowing] = windowings
    either = AfterAny(AfterCount(REMOTE_FILE_RECORDS), AfterProcessingTime(REMOTE_FILE_SECONDS))
    assert str(windowing.triggerfn) == str(Repeatedly(either))
    assert windowing.accumulation_mode == AccumulationMode.DISCARDING
    named, settled = (next(n for n, s in enumerate(steps) if part in s) for part in ("/NameFiles", "/Settle/"))
    assert named < settled < next(n for n, s in enumerate(steps) if "/WriteFile" in s)
