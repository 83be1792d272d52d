"""True labels of what was answered, published to where the job reads them."""

from __future__ import annotations

import json
import threading
from collections import deque

from models.errors import one_line
from models.printable import logger
from studio.stream.config import Topics
from transforms.pubsub.access import make_subscription
from transforms.pubsub.errors import PubSubRefused
from transforms.pubsub.publisher import OneTry

_LOGGER = logger(__name__)
_MOST_WAITING = 10_000
_AGAIN_SECONDS = 2.0


class Labels:
    """Publishes labels from a thread of its own, which waits for a Pub/Sub that is away. Any thread may tell it some.

    What is told beyond ten thousand that wait takes the place of the oldest: labels are evidence, and lost with it is
    nothing that is kept.

    Args:
        topics: of them that for labels.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._publisher: OneTry | None = None
        self._thread = threading.Thread(target=self._run, name="labels", daemon=True)

    def make(self) -> None:
        """Makes what is missing at Pub/Sub.

        Raises:
            PubSubRefused: it cannot be made.
        """
        make_subscription(self._topics.labels_subscription, self._topics.labels)

    def begin(self) -> None:
        """Publishes from now on."""
        self._thread.start()

    def tell(self, message_id: str, label: str) -> None:
        """Says what an image shows in truth; returns at once.

        Args:
            message_id: of the message by which the stream was asked for it; nothing is told where that is "".
            label: as a model would call it.
        """
        if message_id:
            self._waiting.append(json.dumps({"message_id": message_id, "label": label}).encode())
            self._woken.set()

    def close(self, seconds: float) -> None:
        """Publishes no more. Harmless when repeated.

        Args:
            seconds: that what is being published may still take.
        """
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait()
            self._woken.clear()
            while self._waiting and not self._stopping.is_set():
                self._publish(self._waiting.popleft())
        self._leave()

    def _publish(self, label: bytes) -> None:
        """Until it is there, or nobody is to wait any more."""
        has_failed = False
        while not self._stopping.is_set():
            try:
                if has_failed:
                    self.make()
                if self._publisher is None:
                    self._publisher = OneTry(self._topics.labels)
                self._publisher.publish(label)
                return
            except (PubSubRefused, ConnectionError) as error:
                if not has_failed:
                    _LOGGER.warning("labels are told to the stream later: %s", one_line(error))
                has_failed = True
                self._leave()
                self._stopping.wait(_AGAIN_SECONDS)

    def _leave(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
