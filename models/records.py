"""What becomes of an image, from its message to what users read: one small immutable record for each step."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from models.errors import ImageError, ImageFault
from models.images.decoding import Raster
from models.printable import json_text
from models.tasks import Prediction
from models.trials.tried import Tried

Stage = Literal["message", "read", "decode", "predict"]

REPLAY_OF = "hotswap_replay_of"
"""The attribute that a replayed message bears: the id of the message that became a dead letter first."""


class Origin(NamedTuple):
    """The message that an image came with.

    Attributes:
        message_id: the id that Pub/Sub gave it; "" where unknown.
        publish_time: RFC 3339, UTC, microseconds; "" where unknown.
        attributes: the message's own attributes, untouched.
    """

    message_id: str
    publish_time: str
    attributes: Mapping[str, str]


class ImageRequest(NamedTuple):
    """An image to predict: its path as the message gave it, and that message."""

    image: str
    origin: Origin


class DecodedImage(NamedTuple):
    """An image ready for any model: its raster is of bounded size."""

    request: ImageRequest
    raster: Raster


class Answer(NamedTuple):
    """What a model said to one image, or why it has no answer.

    Attributes:
        outcome: the answer, or the fault of this image alone.
        model_name: of the model that answered.
        predict_time: RFC 3339, UTC, microseconds.
        tried: what a trial has to do with it; None where there is none.
    """

    outcome: Prediction | ImageError
    model_name: str
    predict_time: str
    tried: Tried | None = None


class DeadLetter(NamedTuple):
    """An input that has no result, and why."""

    image: str | None
    payload: bytes | None
    stage: Stage
    error: ImageFault
    detail: str
    origin: Origin
    model_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The dead letter as users read it; the order of its fields never changes."""
        subject: dict[str, Any] = (
            {"image": self.image}
            if self.image is not None
            else {"payload": base64.b64encode(self.payload or b"").decode("ascii")}
        )
        record = subject | {
            "stage": self.stage,
            "error": str(self.error),
            "detail": self.detail,
            "message_id": self.origin.message_id,
            "publish_time": self.origin.publish_time,
            "attributes": dict(self.origin.attributes),
        }
        return record if self.model_id is None else record | {"model_id": self.model_id}


def result_record(request: ImageRequest, answer: Answer, model_id: str) -> dict[str, Any]:
    """A result as users read it; the order of its fields never changes. `answer` must hold a `Prediction`."""
    assert not isinstance(answer.outcome, ImageError)
    return (
        {"image": request.image, "model_id": model_id, "model_name": answer.model_name}
        | answer.outcome.to_json()
        | {
            "message_id": request.origin.message_id,
            "publish_time": request.origin.publish_time,
            "predict_time": answer.predict_time,
            "attributes": dict(request.origin.attributes),
        }
    )


def encode(record: Any) -> bytes:
    """A record, a dict or what has `to_json`, as UTF-8 JSON on one line, without the line's end."""
    plain = record if isinstance(record, dict) else record.to_json()
    return json_text(plain).encode()
