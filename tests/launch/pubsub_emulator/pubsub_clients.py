"""What the tests of the emulator share: names, patience, and two ways to pull."""

from __future__ import annotations

import queue

from google.cloud import pubsub_v1
from google.pubsub_v1 import types

PROJECT = "projects/demo-project"
TOPIC = f"{PROJECT}/topics/images"
SUBSCRIPTION = f"{PROJECT}/subscriptions/images"
PATIENCE_SECONDS = 20.0


def pull(subscriber: pubsub_v1.SubscriberClient, max_messages: int = 10) -> list[types.ReceivedMessage]:
    response = subscriber.pull(subscription=SUBSCRIPTION, max_messages=max_messages, timeout=PATIENCE_SECONDS)
    return list(response.received_messages)


class RawStream:
    """A streaming pull without a client's cleverness: `send` a request, iterate over the responses."""

    def __init__(self, subscriber: pubsub_v1.SubscriberClient, **first: object) -> None:
        self._requests: queue.Queue[types.StreamingPullRequest | None] = queue.Queue()
        self.send(**{"subscription": SUBSCRIPTION, "stream_ack_deadline_seconds": 10} | first)
        self.responses = subscriber.transport.streaming_pull(iter(self._requests.get, None))

    def send(self, **fields: object) -> None:
        self._requests.put(types.StreamingPullRequest(**fields))

    def end(self) -> None:
        """Half-close: nothing more will be sent."""
        self._requests.put(None)
