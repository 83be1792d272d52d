"""Publishing that waits for its topic: what a topic refuses for a while is published when it no longer does."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from models.errors import one_line

_LOGGER = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 7_000_000
"""The most data that one record may have. Pub/Sub takes 10 MB (https://cloud.google.com/pubsub/quotas#resource_limits);
runners that publish through its JSON interface send it as base64, a third longer."""

_REQUEST_MESSAGES = 1000
_REQUEST_BYTES = 9_000_000
_OVERHEAD_BYTES = 64
_TRY_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_REMIND_SECONDS = 30.0


class PublishingStopped(Exception):  # noqa: N818 - the program is ending, nothing failed
    """The program is ending, and the topic still refuses."""


class PublishingRefused(Exception):  # noqa: N818 - named for what the service said
    """Pub/Sub says that these messages can never be published."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish: data, attributes, or both."""

    data: bytes
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes as Pub/Sub counts them, and what surrounds them in a request."""
        attributes = sum(len(key.encode()) + len(value.encode()) + 8 for key, value in self.attributes.items())
        return len(self.data) + attributes + _OVERHEAD_BYTES


_stopping = threading.Event()


def stop_waiting() -> None:
    """Lets go whoever waits for a topic, and lets nobody wait from now on."""
    _stopping.set()


def wait_again() -> None:
    """Undoes `stop_waiting`: a new run begins in this process."""
    _stopping.clear()


class PatientPublisher:
    """Publishes to one topic, on the caller's thread, and tries until it has.

    A topic that is missing, forbidden or out of reach is waited for: somebody may be mending it, and what is not
    published yet exists nowhere else. An answer that comes too late means a message published twice.

    Args:
        topic: `projects/P/topics/T`.
    """

    def __init__(self, topic: str) -> None:
        from google.cloud import pubsub_v1
        from google.pubsub_v1 import PublisherClient

        self._topic = topic
        self._client: Any = pubsub_v1.PublisherClient()
        # Google's own client publishes from threads of its own, and retries as it sees fit; the plain call does not.
        self._plain: Any = PublisherClient(transport=self._client.transport)

    def publish(self, messages: Sequence[Outgoing]) -> int:
        """Publishes all of `messages`, in order; how many tries beyond the first that took.

        Raises:
            PublishingRefused: Pub/Sub calls a message invalid.
            PublishingStopped: `stop_waiting` was called.
        """
        return sum(self._publish_one_request(request) for request in _requests(messages))

    def _publish_one_request(self, request: list[dict[str, Any]]) -> int:
        from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, RetryError
        from google.auth.exceptions import GoogleAuthError

        pause, retries, reminded = _FIRST_PAUSE_SECONDS, 0, float("-inf")
        while True:
            try:
                self._plain.publish(topic=self._topic, messages=request, retry=None, timeout=_TRY_SECONDS)
            except InvalidArgument as error:
                raise PublishingRefused(f"{self._topic} does not take these messages: {error.message}") from error
            except (GoogleAPICallError, RetryError, GoogleAuthError, ConnectionError) as error:
                if time.monotonic() - reminded >= _REMIND_SECONDS:
                    reminded = time.monotonic()
                    _LOGGER.warning("%s cannot be published to, trying until it can: %s", self._topic, one_line(error))
            else:
                if retries:
                    _LOGGER.info("%s can be published to again", self._topic)
                return retries
            retries += 1
            if _stopping.wait(pause):
                raise PublishingStopped(f"{self._topic} could not be published to")
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def publisher(topic: str) -> PatientPublisher:
    """This process' publisher for a topic; the DirectRunner makes a new DoFn for every bundle."""
    return _publisher(topic, os.environ.get("PUBSUB_EMULATOR_HOST"))


@lru_cache(maxsize=8)
def _publisher(topic: str, emulator: str | None) -> PatientPublisher:
    return PatientPublisher(topic)


def _requests(messages: Sequence[Outgoing]) -> Iterator[list[dict[str, Any]]]:
    """`messages` in as few requests as Pub/Sub's limits allow."""
    request: list[dict[str, Any]] = []
    size = 0
    for message in messages:
        if request and (len(request) == _REQUEST_MESSAGES or size + message.size > _REQUEST_BYTES):
            yield request
            request, size = [], 0
        request.append({"data": message.data, "attributes": message.attributes})
        size += message.size
    if request:
        yield request
