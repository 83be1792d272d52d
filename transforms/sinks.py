"""Where records end: one Pub/Sub message each, or JSON Lines files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.io.gcp.pubsub import PubsubMessage, WriteToPubSub
from apache_beam.options.pipeline_options import StandardOptions
from apache_beam.pvalue import TaggedOutput

from models.errors import ImageFault
from models.events import ModelEvent
from models.json_lines import append_whole, appendable
from models.printable import logger
from models.records import DeadLetter, Origin, encode
from transforms import metrics
from transforms.new_files import WriteNewFiles, shard_key
from transforms.process import THE_JOB, JobRun
from transforms.pubsub.attributes import attributes_of
from transforms.pubsub.errors import PublishingRefused
from transforms.pubsub.publisher import MAX_MESSAGE_BYTES, Outgoing

_LOGGER = logger(__name__)

_UNWRITTEN = "unwritten"


class SinkFailed(Exception):  # noqa: N818 - named for the state it reports
    """A sink cannot take what it is given, and trying again would not help; its text is one line for a person."""


class WriteJson(beam.PTransform):
    """Writes records, dicts or whatever has `to_json`, to a topic or a path; to neither, it logs them.

    A topic that refuses is waited for (`transforms.pubsub.publisher`), except on Dataflow, whose own sink does that.
    Messages have attributes to filter and deduplicate by (`transforms.pubsub.attributes`). A path with a scheme
    (`gs://…`) is a folder that gets new files every half minute (`transforms.new_files`). A local path that ends in
    `.jsonl`, or is a file, a pipe or a device, is appended to; any other is a folder in which `records.jsonl` is. Model
    events that have neither are dropped: whoever makes one has logged it.

    Yields:
        `DeadLetter`s, stage `predict` and error `too_large`, of results that no Pub/Sub message can hold. Nothing for
        a path.

    Args:
        topic: `projects/P/topics/T`.
        path: as above.
        run: whose publishers and counters they are.
    """

    def __init__(self, topic: str | None = None, path: str | None = None, run: JobRun = THE_JOB) -> None:
        super().__init__()
        self._run = run
        self._topic = topic
        self._path = path

    def expand(self, records: beam.PCollection) -> Any:
        if self._topic:
            return self._publish(records, self._topic)
        if self._path and "://" in self._path:
            _ = (
                records
                | "EncodeLine" >> beam.Map(_keyed_line, self._run)
                | "NewFiles" >> WriteNewFiles(self._path, self._run)
            )
            return records | "NothingUnwritten" >> beam.FlatMap(_nothing).with_output_types(DeadLetter)
        if self._path:
            return records | "Append" >> beam.ParDo(_AppendLines(self._run, self._path)).with_output_types(DeadLetter)
        return records | "Log" >> beam.FlatMap(_log, self._run).with_output_types(DeadLetter)

    def _publish(self, records: beam.PCollection, topic: str) -> beam.PCollection:
        encoding = beam.ParDo(_EncodeMessage(self._run)).with_outputs(_UNWRITTEN, main="messages")
        encoded = records | "Encode" >> encoding
        runner = records.pipeline.options.view_as(StandardOptions).runner
        if "dataflow" in (runner or "").lower():
            counted = beam.Map(_count_and_message, self._run).with_output_types(PubsubMessage)
            _ = encoded.messages | "Data" >> counted | "Publish" >> WriteToPubSub(topic, with_attributes=True)
        else:
            _ = encoded.messages | "Publish" >> beam.ParDo(_Publish(self._run, topic))
        return encoded[_UNWRITTEN]


def _nothing(_: Any) -> Iterable[DeadLetter]:
    return ()


def _log(record: Any, run: JobRun) -> Iterable[DeadLetter]:
    if not isinstance(record, ModelEvent):
        plain = record if isinstance(record, dict) else record.to_json()
        # In ASCII: what a stranger named a file may hold letters that move a terminal's cursor.
        _LOGGER.warning("%s: %s", "dead letter" if isinstance(record, DeadLetter) else "record", json.dumps(plain))
    run.here.meter.count(_written_name(record))
    return ()


def _written_name(record: Any) -> str:
    """The counter of written records of this kind."""
    if isinstance(record, DeadLetter):
        is_feedback = record.error is ImageFault.BAD_FEEDBACK  # the books are of images
        return metrics.FEEDBACK_LETTERS_WRITTEN if is_feedback else metrics.DEAD_LETTERS_WRITTEN
    return metrics.MODEL_EVENTS_WRITTEN if isinstance(record, ModelEvent) else metrics.RESULTS_WRITTEN


def _count_written(meter: metrics.Meter, written: Counter[str]) -> None:
    for name, amount in written.items():
        meter.count(name, amount)


def _observe_latency(meter: metrics.Meter, record: Any) -> None:
    """Takes down how long a result took, from the message's publishing until it reaches its sink."""
    published = record.get("publish_time") if isinstance(record, dict) else None
    if published:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(published)).total_seconds()
        meter.observe(metrics.LATENCY_MS, max(0.0, seconds * 1000))


class _EncodeMessage(beam.DoFn):
    """Yields a record's counter and message; a result that no message can hold becomes a dead letter."""

    def __init__(self, run: JobRun) -> None:
        super().__init__()
        self._run = run

    def process(self, record: Any) -> Iterator[Any]:
        data = encode(record)
        if len(data) <= MAX_MESSAGE_BYTES:
            _observe_latency(self._run.here.meter, record)
            yield _written_name(record), Outgoing(data, attributes_of(record))
        elif isinstance(record, dict):
            letter = _too_large(record, len(data))
            self._run.here.meter.count_dead_letter(letter.stage, letter.error)
            _LOGGER.warning("a result of %s cannot be published: %s", letter.model_id, letter.detail)
            yield TaggedOutput(_UNWRITTEN, letter)
        else:
            raise SinkFailed(f"a record of {len(data)} bytes cannot be published; the limit is {MAX_MESSAGE_BYTES}")


def _too_large(result: dict[str, Any], size: int) -> DeadLetter:
    detail = f"the result has {size} bytes, a message at most {MAX_MESSAGE_BYTES}; write results to a path instead"
    origin = Origin(result["message_id"], result["publish_time"], result["attributes"])
    return DeadLetter(result["image"], None, "predict", ImageFault.TOO_LARGE, detail, origin, result["model_id"])


def _count_and_message(counted: tuple[str, Outgoing], run: JobRun) -> PubsubMessage:
    name, message = counted
    run.here.meter.count(name)
    return PubsubMessage(message.data, message.attributes)


class _Publish(beam.DoFn):
    """Publishes each bundle, waiting for as long as the topic refuses."""

    def __init__(self, run: JobRun, topic: str) -> None:
        super().__init__()
        self._run = run
        self._topic = topic

    def start_bundle(self) -> None:
        self._messages: list[tuple[str, Outgoing]] = []

    def process(self, message: tuple[str, Outgoing]) -> None:
        self._messages.append(message)

    def finish_bundle(self) -> None:
        if not self._messages:
            return
        try:
            retries = self._run.here.publishers.of(self._topic).publish([message for _, message in self._messages])
        except PublishingRefused as error:
            raise SinkFailed(str(error)) from error
        meter = self._run.here.meter
        meter.count(metrics.PUBLISH_RETRIES, retries)
        _count_written(meter, Counter(name for name, _ in self._messages))


class _AppendLines(beam.DoFn):
    """Appends each bundle's lines with one write, so that a kill between two bundles leaves whole lines."""

    def __init__(self, run: JobRun, path: str) -> None:
        super().__init__()
        self._run = run
        self._path = path

    def start_bundle(self) -> None:
        self._lines: list[bytes] = []
        self._written: Counter[str] = Counter()

    def process(self, record: Any) -> None:
        _observe_latency(self._run.here.meter, record)
        self._lines.append(encode(record) + b"\n")
        self._written[_written_name(record)] += 1

    def finish_bundle(self) -> None:
        if not self._lines:
            return
        try:
            append_whole(appendable(self._path), b"".join(self._lines))
        except OSError as error:
            shown = "standard output" if self._path.startswith("/dev/fd/") else self._path
            raise SinkFailed(f"{shown} cannot be written: {error.strerror or error}") from error
        _count_written(self._run.here.meter, self._written)


def _keyed_line(record: Any, run: JobRun) -> tuple[str, bytes]:
    _observe_latency(run.here.meter, record)
    line = encode(record)
    return shard_key(_written_name(record), line), line
