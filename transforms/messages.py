"""What a Pub/Sub message asks for: an image path, or an object that Cloud Storage tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.io import PubsubMessage
from apache_beam.pvalue import TaggedOutput

from models.errors import ImageError, ImageFault
from models.images.paths import MAX_PATH_BYTES
from models.moments import rfc3339
from models.records import DeadLetter, ImageRequest, Origin
from transforms import metrics
from transforms.outputs import DEAD_LETTERS
from transforms.process import THE_JOB, JobRun

_FINALIZED = "OBJECT_FINALIZE"
_MAX_PAYLOAD_KEPT = 64 * 1024


class ParseMessages(beam.PTransform):
    """`PubsubMessage` → `ImageRequest`; what names no image goes to the output `dead_letters`.

    A message is a Cloud Storage notification when it has all of the attributes `eventType`, `bucketId` and
    `objectId` (https://cloud.google.com/storage/docs/pubsub-notifications). It names the object
    `gs://bucketId/objectId` where the event is `OBJECT_FINALIZE`; any other event is counted and skipped.
    Every other message names an image by its payload, some of those attributes or not; a line end after the
    path is dropped. Attributes are passed on untouched.

    Dead letters have stage `message` and error `not_utf8`, `empty_path` or `path_too_long`, and carry the
    first 64 KiB of the payload.
    """

    def __init__(self, run: JobRun = THE_JOB) -> None:
        super().__init__()
        self._run = run

    def expand(self, messages: Any) -> Any:
        return messages | "Parse" >> beam.ParDo(ParseMessage(self._run)).with_outputs(DEAD_LETTERS, main="requests")


@beam.typehints.with_input_types(PubsubMessage)
@beam.typehints.with_output_types(ImageRequest)
class ParseMessage(beam.DoFn):
    """See `ParseMessages`."""

    def __init__(self, run: JobRun) -> None:
        super().__init__()
        self._run = run

    def default_label(self) -> str:
        """What running jobs know this step by; an update in place looks for it."""
        return "_ParseMessage"

    def process(self, message: PubsubMessage) -> Iterator[ImageRequest | TaggedOutput]:
        meter = self._run.here.meter
        meter.count(metrics.MESSAGES_IN)
        origin = origin_of(message)
        attributes = origin.attributes
        if _is_notification(attributes) and attributes["eventType"] != _FINALIZED:
            meter.count(metrics.NOTIFICATIONS_SKIPPED)
            return
        payload = message.data or b""
        try:
            yield ImageRequest(_path(payload, attributes), origin)
        except ImageError as error:
            meter.count_dead_letter("message", error.fault)
            letter = DeadLetter(None, payload[:_MAX_PAYLOAD_KEPT], "message", error.fault, error.detail, origin)
            yield TaggedOutput(DEAD_LETTERS, letter)


def origin_of(message: PubsubMessage) -> Origin:
    """What a result or dead letter tells of the message behind it."""
    return Origin(message.message_id or "", _publish_time(message.publish_time), dict(message.attributes or {}))


def _is_notification(attributes: Mapping[str, str]) -> bool:
    return attributes.keys() >= {"eventType", "bucketId", "objectId"}


def _path(payload: bytes, attributes: Mapping[str, str]) -> str:
    """The path that a message names.

    Raises:
        ImageError: `not_utf8`, `empty_path` or `path_too_long`.
    """
    if _is_notification(attributes):
        if not (attributes["bucketId"] and attributes["objectId"]):
            raise ImageError(ImageFault.EMPTY_PATH, "the notification names no object")
        payload = f"gs://{attributes['bucketId']}/{attributes['objectId']}".encode(errors="surrogatepass")
    if len(payload) > MAX_PATH_BYTES:
        or_more = " or more" * (len(payload) > _MAX_PAYLOAD_KEPT)  # a gate before an emulator passes on so much
        detail = f"{len(payload)} bytes{or_more}; a path has at most {MAX_PATH_BYTES}"
        raise ImageError(ImageFault.PATH_TOO_LONG, detail)
    try:
        path = payload.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ImageError(ImageFault.NOT_UTF8, f"byte {error.start} of the payload is not UTF-8") from error
    if not path.strip():
        raise ImageError(ImageFault.EMPTY_PATH, "the message names no image")
    return path


def _publish_time(moment: Any) -> str:
    """The publish time as runners give it: a `datetime` or a protobuf `Timestamp`; "" for anything else."""
    if hasattr(moment, "ToDatetime"):
        moment = moment.ToDatetime(tzinfo=UTC)
    if not isinstance(moment, datetime):
        return ""
    # Without a zone it is UTC: that is the only one that Pub/Sub speaks.
    return rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
