"""Reading a subscription as messages come, through whatever becomes of Pub/Sub meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core.exceptions import DeadlineExceeded

from models.errors import one_line, typed_line
from models.printable import logger
from transforms.pubsub.access import make_subscription
from transforms.pubsub.errors import PubSubRefused

_LOGGER = logger(__name__)

_MOST_MESSAGES = 1000
_ACKNOWLEDGE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_REMIND_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_PULL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came.

    Attributes:
        message_id: the id that Pub/Sub gave it.
        data: its bytes.
        attributes: its attributes.
    """

    message_id: str
    data: bytes
    attributes: Mapping[str, str]


class Subscriber:
    """Hands over the messages of one subscription, one after the other, from a thread of its own, until it is closed.

    A message is acknowledged once the callback has returned, so one may come twice; one whose callback raises comes
    again once the subscription's deadline for it is over. A Pub/Sub that is away is asked again until it is back, two
    seconds apart at most: Google's own subscriber leaves that to a connection that waits up to two minutes. A
    subscription that is gone is made anew.

    Args:
        subscription: `projects/P/subscriptions/S`; made where it is missing.
        topic: `projects/P/topics/T`, that it is made to; None for one that somebody else makes, and is waited for.
        callback: is given each message. While it takes its time no other one is handed over.
        idle_seconds: until the next pull, after one that brought nothing.
    """

    def __init__(
        self,
        subscription: str,
        topic: str | None,
        callback: Callable[[Received], object],
        idle_seconds: float = 0.0,
    ) -> None:
        self._subscription = subscription
        self._topic = topic
        self._callback = callback
        self._idle_seconds = idle_seconds
        self._closing = threading.Event()
        self._reading = threading.Event()
        self._reminded = float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"subscriber {subscription}", daemon=True)
        self._thread.start()

    def await_reading(self, seconds: float) -> bool:
        """Waits until the subscription is read, as it is now; whether that is so within so many seconds."""
        return self._reading.wait(seconds)

    def end(self) -> None:
        """Hands over nothing more than what is being handed over; returns at once."""
        self._closing.set()

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """The same; waits for the callback under way, so many seconds at most."""
        self.end()
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not self._closing.is_set():
            begun = time.monotonic()
            try:
                if self._topic is not None:
                    make_subscription(self._subscription, self._topic)
                self._read()
            except PubSubRefused as error:
                self._tell(str(error))
            except Exception as error:  # Google's clients and gRPC raise errors of many kinds, and all of them may pass
                self._tell(typed_line(error))
            if time.monotonic() - begun > _LONGEST_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._closing.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _read(self) -> None:
        """Pulls until that fails. gRPC may never end a stream whose server went as it began, and it is no faster."""
        request = {"subscription": self._subscription, "max_messages": _MOST_MESSAGES}
        with _plain_client() as client:
            try:
                self._reading.set()
                while not self._closing.is_set():
                    with contextlib.suppress(DeadlineExceeded):  # Pub/Sub may say nothing while there is nothing
                        pulled = client.pull(request=request, retry=None, timeout=_PULL_SECONDS)
                        self._hand_over(client, pulled.received_messages)
                        if not pulled.received_messages and self._idle_seconds:
                            self._closing.wait(self._idle_seconds)
            finally:
                self._reading.clear()

    def _hand_over(self, client: Any, messages: Any) -> None:
        done = []
        for each in messages:
            if self._closing.is_set():
                break
            message = each.message
            try:
                self._callback(Received(message.message_id, message.data, dict(message.attributes)))
            except Exception as error:  # whatever it is, the next message is no worse for it
                _LOGGER.warning("a message of %s could not be taken: %s", self._subscription, one_line(error))
            else:
                done.append(each.ack_id)
        if done:
            request = {"subscription": self._subscription, "ack_ids": done}
            client.acknowledge(request=request, retry=None, timeout=_ACKNOWLEDGE_SECONDS)

    def _tell(self, line: str) -> None:
        if not self._closing.is_set() and time.monotonic() - self._reminded >= _REMIND_SECONDS:
            self._reminded = time.monotonic()
            _LOGGER.warning("%s cannot be read, trying until it can: %s", self._subscription, line)


@contextlib.contextmanager
def _plain_client() -> Iterator[Any]:
    """Google's own client reads from threads of its own, and reconnects as it sees fit; the plain call does not."""
    from google.pubsub_v1 import SubscriberClient

    from transforms.pubsub.any_size import AnySizeSubscriber

    with AnySizeSubscriber() as client:
        yield SubscriberClient(transport=client.transport)
