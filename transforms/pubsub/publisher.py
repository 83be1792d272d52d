"""Publishing that waits for its topic: what a topic refuses for a while is published when it no longer does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.errors import one_line
from models.printable import logger
from transforms.pubsub import EMULATOR_VARIABLE
from transforms.pubsub.errors import PublishingRefused, PublishingStopped

_LOGGER = logger(__name__)

MAX_MESSAGE_BYTES = 7_000_000
"""The most data that one record may have. Pub/Sub takes 10 MB (https://cloud.google.com/pubsub/quotas#resource_limits);
runners that publish through its JSON interface send it as base64, a third longer."""

_REQUEST_MESSAGES = 1000
_REQUEST_BYTES = 9_000_000
_OVERHEAD_BYTES = 64
_TRY_SECONDS = 30.0
_ONE_TRY_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_REMIND_SECONDS = 30.0


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


class PatientPublisher:
    """Publishes to one topic, on the caller's thread, and tries until it has.

    A topic that is missing, forbidden or out of reach is waited for: somebody may be mending it, and what is not
    published yet exists nowhere else. An answer that comes too late means a message published twice.

    Args:
        topic: `projects/P/topics/T`.
        stopping: set when nobody should wait any longer.
    """

    def __init__(self, topic: str, stopping: threading.Event) -> None:
        self._topic = topic
        self._stopping = stopping
        self._client = _plain_client()

    def publish(self, messages: Sequence[Outgoing]) -> int:
        """Publishes all of `messages`, in order; how many tries beyond the first that took.

        Raises:
            PublishingRefused: Pub/Sub calls a message invalid.
            PublishingStopped: it was told to stop.
        """
        return sum(self._publish_one_request(request) for request in _requests(messages))

    def _publish_one_request(self, request: list[dict[str, Any]]) -> int:
        from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, RetryError
        from google.auth.exceptions import GoogleAuthError

        pause, retries, reminded = _FIRST_PAUSE_SECONDS, 0, float("-inf")
        while True:
            try:
                self._client.publish(topic=self._topic, messages=request, retry=None, timeout=_TRY_SECONDS)
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
            if self._stopping.wait(pause):
                raise PublishingStopped(f"{self._topic} could not be published to")
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


class OneTry:
    """Publishes to one topic, once and five seconds at most. Any thread may use it."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._is_closed = False
        self._client = _plain_client()

    def publish(self, data: bytes, attributes: Mapping[str, str] | None = None) -> None:
        """Publishes one message, without attributes unless some are given.

        Raises:
            ConnectionError: that fails for now.
        """
        from google.api_core.exceptions import GoogleAPICallError

        try:
            message = {"data": data, "attributes": dict(attributes or {})}
            self._client.publish(topic=self._topic, messages=[message], retry=None, timeout=_ONE_TRY_SECONDS)
        except GoogleAPICallError as error:
            raise ConnectionError(f"nothing can be published: {one_line(error.message)}") from error
        except ValueError as error:
            if not self._is_closed:
                raise
            raise ConnectionError("nothing can be published: this connection was closed") from error

    def close(self) -> None:
        """Ends its connection; what is being published fails. Harmless when repeated."""
        self._is_closed = True
        self._client.transport.close()


class Publishers:
    """The publishers of one owner, one a topic, which it can tell to stop waiting."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str | None], PatientPublisher] = {}

    def of(self, topic: str) -> PatientPublisher:
        """The publisher of a topic, of the emulator that the environment names now where it names one."""
        key = topic, os.environ.get(EMULATOR_VARIABLE)
        with self._lock:
            if key not in self._known:
                self._known[key] = PatientPublisher(topic, self._stopping)
            return self._known[key]

    def stop_waiting(self) -> None:
        """Lets go whoever waits for a topic, and lets nobody wait from now on."""
        self._stopping.set()


def _plain_client() -> Any:
    """Google's own client publishes from threads of its own, and retries as it sees fit; the plain call does not."""
    from google.cloud import pubsub_v1
    from google.pubsub_v1 import PublisherClient

    return PublisherClient(transport=pubsub_v1.PublisherClient().transport)


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
