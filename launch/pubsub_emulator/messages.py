"""A message before and after the emulator took it, and the limits it must keep.

The limits are the service's own: https://cloud.google.com/pubsub/quotas#resource_limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from launch.pubsub_emulator.errors import InvalidArgumentError

MAX_PUBLISH_MESSAGES = 1000
MAX_PUBLISH_BYTES = 10_000_000
MAX_ATTRIBUTES = 100
MAX_ATTRIBUTE_KEY_BYTES = 256
MAX_ATTRIBUTE_VALUE_BYTES = 1024
MAX_ORDERING_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Content:
    """What a publisher sends: bytes, attributes, or both.

    `ordering_key` is carried along and orders nothing: no subscription here can ask for ordering.
    """

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""

    @property
    def size(self) -> int:
        """Bytes of data, attributes and key, the way the limits count them."""
        attributes = sum(_bytes_of(key) + _bytes_of(value) for key, value in self.attributes.items())
        return len(self.data) + attributes + _bytes_of(self.ordering_key)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken: every subscription of its topic shares this one record.

    Attributes:
        message_id: decimal digits, never given twice, not even by an emulator started later.
        publish_time: when it was taken; UTC, microseconds.
        content: what the publisher sent.
        size: bytes, as the limits count them.
    """

    message_id: str
    publish_time: datetime
    content: Content
    size: int


class Received(NamedTuple):
    """A message handed to a subscriber, and the id by which this delivery is acknowledged."""

    ack_id: str
    message: Message


def check_publish(contents: Sequence[Content]) -> None:
    """Raise InvalidArgumentError unless one publish call may carry all of `contents`."""
    if not 1 <= len(contents) <= MAX_PUBLISH_MESSAGES:
        raise InvalidArgumentError(
            f"a publish carries 1 to {MAX_PUBLISH_MESSAGES} messages, this one has {len(contents)}"
        )
    for content in contents:
        _check_content(content)
    size = sum(content.size for content in contents)
    if size > MAX_PUBLISH_BYTES:
        raise InvalidArgumentError(f"a publish carries at most {MAX_PUBLISH_BYTES} bytes, this one has {size}")


def _check_content(content: Content) -> None:
    if not content.data and not content.attributes:
        raise InvalidArgumentError("a message needs data or at least one attribute")
    if len(content.attributes) > MAX_ATTRIBUTES:
        raise InvalidArgumentError(
            f"a message has at most {MAX_ATTRIBUTES} attributes, this one has {len(content.attributes)}"
        )
    for key, value in content.attributes.items():
        if not 1 <= _bytes_of(key) <= MAX_ATTRIBUTE_KEY_BYTES:
            raise InvalidArgumentError(
                f"an attribute's key has 1 to {MAX_ATTRIBUTE_KEY_BYTES} bytes, {key[:40]!r} has {_bytes_of(key)}"
            )
        if _bytes_of(value) > MAX_ATTRIBUTE_VALUE_BYTES:
            raise InvalidArgumentError(
                f"an attribute's value has at most {MAX_ATTRIBUTE_VALUE_BYTES} bytes, that of {key[:40]!r} "
                f"has {_bytes_of(value)}"
            )
    if _bytes_of(content.ordering_key) > MAX_ORDERING_KEY_BYTES:
        raise InvalidArgumentError(f"an ordering key has at most {MAX_ORDERING_KEY_BYTES} bytes")


def _bytes_of(text: str) -> int:
    return len(text.encode("utf-8"))
