"""What a message asks for, and what becomes of one that asks for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io import PubsubMessage
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to
from google.protobuf.timestamp_pb2 import Timestamp

from models.errors import ImageFault
from models.records import ImageRequest, Origin
from transforms import metrics
from transforms.messages import ParseMessage, ParseMessages
from transforms.process import JobRun

EVENT = {"eventType": "OBJECT_FINALIZE", "bucketId": "bucket", "objectId": "a/cat é.png", "payloadFormat": "NONE"}


def message(
    data: bytes = b"/data/cat.png", attributes: dict[str, str] | None = None, moment: Any = None
) -> PubsubMessage:
    return PubsubMessage(data, attributes or {}, message_id="7", publish_time=moment)


def parsed(*messages: PubsubMessage) -> tuple[list[Any], list[Any]]:
    """The requests and the dead letters that `messages` come to."""
    outputs = [output for one in messages for output in ParseMessage(JobRun()).process(one)]
    letters = [output.value for output in outputs if isinstance(output, beam.pvalue.TaggedOutput)]
    return [output for output in outputs if isinstance(output, ImageRequest)], letters


def fault_and_payload(letter: Any) -> tuple[ImageFault, bytes]:
    return letter.error, letter.payload


def test_good_and_bad_messages_part_and_every_one_is_counted() -> None:
    attributes = {"user": "me"}
    pipeline = BeamPipeline()
    outputs = (
        pipeline
        | beam.Create([message(attributes=attributes), message(b"\xff"), message(b"")])
        | beam.Reshuffle()
        | ParseMessages()
    )
    wanted = [ImageRequest("/data/cat.png", Origin("7", "", attributes))]
    assert_that(outputs.requests, equal_to(wanted), label="requests")
    assert_that(
        outputs.dead_letters | beam.Map(fault_and_payload),
        equal_to([(ImageFault.NOT_UTF8, b"\xff"), (ImageFault.EMPTY_PATH, b"")]),
        label="letters",
    )
    result = pipeline.run()
    result.wait_until_finish()
    found = {c.key.metric.name: c.committed for c in result.metrics().query()["counters"]}
    assert found[metrics.MESSAGES_IN] == 3
    assert found["dead_letters_message_not_utf8"] == found["dead_letters_message_empty_path"] == 1


def test_a_finished_upload_names_its_object_and_keeps_its_attributes() -> None:
    requests, letters = parsed(message(b'{"kind": "storage#object"}', EVENT))
    assert [request.image for request in requests] == ["gs://bucket/a/cat é.png"]
    assert requests[0].origin.attributes == EVENT
    assert letters == []


@pytest.mark.parametrize("event", ["OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE", ""])
def test_any_other_event_is_skipped(event: str) -> None:
    assert parsed(message(b"{}", EVENT | {"eventType": event})) == ([], [])


@pytest.mark.parametrize("missing", ["eventType", "bucketId", "objectId"])
def test_some_attributes_of_a_notification_do_not_make_one(missing: str) -> None:
    attributes = {name: value for name, value in EVENT.items() if name != missing}
    requests, _ = parsed(message(attributes=attributes))
    assert [request.image for request in requests] == ["/data/cat.png"]


@pytest.mark.parametrize(
    ("data", "attributes", "fault"),
    [
        (b"", {}, ImageFault.EMPTY_PATH),
        (b" \t\r\n", {}, ImageFault.EMPTY_PATH),
        (b"/data/\xe9.png", {}, ImageFault.NOT_UTF8),
        (b"/data/\xed\xa0\x80.png", {}, ImageFault.NOT_UTF8),
        (b"x" * 4097, {}, ImageFault.PATH_TOO_LONG),
        (b"{}", EVENT | {"objectId": ""}, ImageFault.EMPTY_PATH),
        (b"{}", EVENT | {"objectId": "x" * 5000}, ImageFault.PATH_TOO_LONG),
        (b"{}", EVENT | {"objectId": "\ud800"}, ImageFault.NOT_UTF8),
    ],
)
def test_a_message_that_names_no_image_says_why(data: bytes, attributes: dict[str, str], fault: ImageFault) -> None:
    requests, letters = parsed(message(data, attributes))
    assert requests == []
    assert [(letter.stage, letter.error, letter.payload) for letter in letters] == [("message", fault, data)]


def test_a_dead_letter_keeps_the_attributes_of_its_message() -> None:
    (letter,) = parsed(message(b"\xff", {"customer": "42"}))[1]
    assert letter.origin == Origin("7", "", {"customer": "42"})


def test_a_huge_payload_is_not_carried_on_whole() -> None:
    (letter,) = parsed(message(b"x" * 9_000_000))[1]
    assert len(letter.payload) == 65_536
    assert "9000000" in letter.detail


def test_the_line_end_after_a_path_is_no_part_of_it() -> None:
    assert parsed(message(b" /data/a b .png\r\n"))[0][0].image == " /data/a b .png"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (None, ""),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:04:05.000000Z"),
        (Timestamp(seconds=1, nanos=2000), "1970-01-01T00:00:01.000002Z"),
    ],
)
def test_the_publish_time_is_utc_with_microseconds(moment: Any, text: str) -> None:
    assert parsed(message(moment=moment))[0][0].origin.publish_time == text
