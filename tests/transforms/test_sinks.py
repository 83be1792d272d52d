"""Records reach their file, folder or topic whole, and count as written when they have."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.gcp.pubsub import WriteToPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from google.cloud import pubsub_v1

from launch.pubsub_emulator import PubSubEmulator
from models.errors import ImageFault
from models.events import ModelEvent
from models.records import DeadLetter, Origin, encode
from tests.launch.pubsub_emulator.pubsub_clients import TOPIC, pull
from transforms import metrics
from transforms.process import JobRun
from transforms.pubsub.attributes import attributes_of
from transforms.pubsub.publisher import MAX_MESSAGE_BYTES
from transforms.sinks import SinkFailed, WriteJson


def result(values: int) -> dict[str, Any]:
    return {
        "image": "/i.png",
        "model_id": "/m.h5@sha256:0123456789ab",
        "values": [0.123456789] * values,
        "message_id": "7",
        "publish_time": "2026-01-01T00:00:00.000000Z",
        "attributes": {"customer": "42"},
    }


def letter(**attributes: str) -> DeadLetter:
    return DeadLetter("/i\x9b.png", None, "read", ImageFault.NOT_FOUND, "why", Origin("7", "", attributes))


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


def test_text_that_is_no_text_is_still_written_as_json() -> None:
    assert json.loads(encode({"name": "\ud800"}).decode("utf-8")) is not None


def test_what_cannot_be_written_is_told_in_one_line() -> None:
    with (
        pytest.raises(SinkFailed, match=r"^/dev/full cannot be written: No space left on device"),
        TestPipeline() as pipeline,
    ):
        _ = pipeline | beam.Create([result(1)]) | WriteJson(path="/dev/full")


def test_records_count_as_written_when_they_are(tmp_path: Path) -> None:
    run = JobRun("written when they are")
    with TestPipeline() as pipeline:
        records = [result(1), result(2), letter(), ModelEvent("live", "m", "m")]
        _ = pipeline | beam.Create(records, reshuffle=False) | WriteJson(path=str(tmp_path / "out.jsonl"), run=run)

    assert run.here.meter.tally() == {
        metrics.RESULTS_WRITTEN: 2,
        metrics.DEAD_LETTERS_WRITTEN: 1,
        metrics.MODEL_EVENTS_WRITTEN: 1,
    }


def test_without_a_sink_dead_letters_are_logged_and_model_events_are_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "transforms.sinks")
    with TestPipeline() as pipeline:
        _ = pipeline | beam.Create([letter(), ModelEvent("live", "m", "m")], reshuffle=False) | WriteJson()

    [line] = [record.getMessage() for record in caplog.records if record.name == "transforms.sinks"]
    assert line.startswith('dead letter: {"image": "/i\\u009b.png", "stage": "read", "error": "not_found"')


def published() -> list[Any]:
    with pubsub_v1.SubscriberClient() as subscriber:
        return [json.loads(each.message.data) for each in pull(subscriber, 100)]


def test_each_record_is_one_message(emulator: PubSubEmulator) -> None:
    with TestPipeline() as pipeline:
        _ = pipeline | beam.Create([result(1), letter()], reshuffle=False) | WriteJson(topic=TOPIC)

    assert sorted(published(), key=str) == sorted([result(1), letter().to_json()], key=str)


def test_a_result_that_no_message_can_hold_is_a_dead_letter(emulator: PubSubEmulator) -> None:
    with TestPipeline() as pipeline:
        unwritten = pipeline | beam.Create([700_000, 3]) | beam.Map(result) | WriteJson(topic=TOPIC)
        told = unwritten | beam.Map(lambda letter: (letter.image, letter.stage, str(letter.error), letter.model_id))
        assert_that(told, equal_to([("/i.png", "predict", "too_large", "/m.h5@sha256:0123456789ab")]))

    assert published() == [result(3)]


def test_the_largest_dead_letter_there_can_be_fits_into_a_message() -> None:
    attributes = {f"{number:03d}" + "\x01" * 253: "\x01" * 1024 for number in range(100)}
    origin = Origin("7" * 20, "", attributes)

    assert len(encode(DeadLetter(None, bytes(64 * 1024), "message", ImageFault.NOT_UTF8, "x" * 500, origin))) < (
        MAX_MESSAGE_BYTES // 5
    )


def attributes() -> list[dict[str, str]]:
    with pubsub_v1.SubscriberClient() as subscriber:
        return [dict(each.message.attributes) for each in pull(subscriber, 100)]


def test_messages_can_be_filtered_and_deduplicated_without_being_read(emulator: PubSubEmulator) -> None:
    records = [result(1), letter(customer="42"), ModelEvent("live", "m", "m")]
    with TestPipeline() as pipeline:
        _ = pipeline | beam.Create(records, reshuffle=False) | WriteJson(topic=TOPIC)

    assert sorted(attributes(), key=len) == [
        {},
        {"message_id": "7", "model_id": "/m.h5@sha256:0123456789ab"},
        {"message_id": "7", "stage": "read", "error": "not_found"},
    ]


@pytest.mark.parametrize("path", ["/" + "m" * 1024, "/\udcff", ""], ids=["too long", "no text", "empty"])
def test_what_no_attribute_can_hold_is_in_the_record_alone(path: str) -> None:
    assert attributes_of(result(1) | {"model_id": path}) == {"message_id": "7"}


def test_the_longest_value_that_an_attribute_can_hold_is_there_whole() -> None:
    longest = "ü" * 512
    assert attributes_of(result(1) | {"model_id": longest})["model_id"] == longest
    assert "model_id" not in attributes_of(result(1) | {"model_id": longest + "x"})


@pytest.mark.parametrize(("runner", "native"), [("DataflowRunner", True), ("DirectRunner", False)])
def test_dataflow_publishes_by_its_own_sink(runner: str, native: bool) -> None:
    pipeline = beam.Pipeline(runner="DirectRunner", options=PipelineOptions(["--streaming"]))
    pipeline.options.view_as(beam.options.pipeline_options.StandardOptions).runner = runner
    _ = pipeline | beam.Create([result(1)]) | WriteJson(topic=TOPIC)
    found: list[Any] = []

    class Visitor(beam.pipeline.PipelineVisitor):
        def enter_composite_transform(self, node: Any) -> None:
            found.append(node.transform)

    pipeline.visit(Visitor())
    sinks = [transform for transform in found if isinstance(transform, WriteToPubSub)]
    assert [sink.with_attributes for sink in sinks] == [True] * native


def test_dataflows_own_sink_gets_the_same_messages(emulator: PubSubEmulator) -> None:
    pipeline = beam.Pipeline(runner="DirectRunner", options=PipelineOptions(["--streaming"]))
    pipeline.options.view_as(beam.options.pipeline_options.StandardOptions).runner = "DataflowRunner"
    records = [result(1), letter()]
    _ = pipeline | beam.Create(records, reshuffle=False) | WriteJson(topic=TOPIC)
    pipeline.run().wait_until_finish()

    with pubsub_v1.SubscriberClient() as subscriber:
        told = [(each.message.data, dict(each.message.attributes)) for each in pull(subscriber, 100)]
    assert sorted(told, key=str) == sorted([(encode(r), attributes_of(r)) for r in records], key=str)
