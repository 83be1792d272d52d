"""Publishing what is asked, through whatever becomes of Pub/Sub meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.errors import one_line
from models.printable import logger
from studio.errors import StudioRefused, Trouble
from studio.stream.asked import Asked, Question
from studio.stream.config import Topics
from transforms.pubsub.access import make_subscription
from transforms.pubsub.errors import PubSubRefused
from transforms.pubsub.publisher import OneTry

_LOGGER = logger(__name__)


class Asking:
    """Publishes questions and remembers them until they are answered. Any thread may use it.

    Args:
        topics: where they are published.
        asked: remembers them.
    """

    def __init__(self, topics: Topics, asked: Asked) -> None:
        self._topics = topics
        self._asked = asked
        self._lock = threading.Lock()
        self._publisher: OneTry | None = None

    def make(self) -> None:
        """Makes what is missing at Pub/Sub, and connects.

        Raises:
            PubSubRefused: it cannot be made.
        """
        make_subscription(self._topics.subscription, self._topics.images)
        self._connected()

    def ask(self, image: Path, attributes: Mapping[str, str]) -> None:
        """See `Stream.ask`.

        Raises:
            StudioRefused: STREAM_UNAVAILABLE.
        """
        question = self._asked.add(str(image), attributes)
        if question is None:
            line = f"{len(self._asked)} drawings wait for their answers; draw again in a minute"
            raise StudioRefused(Trouble.STREAM_UNAVAILABLE, line)
        try:
            self._publish(question)
        except (PubSubRefused, ConnectionError) as error:
            self._asked.drop(question)
            line = f"the stream cannot be asked, try again in a moment: {one_line(error)}"
            raise StudioRefused(Trouble.STREAM_UNAVAILABLE, line) from error

    def again(self) -> None:
        """Asks once more what seems lost."""
        if questions := self._asked.due():
            _LOGGER.info("%d questions without an answer are asked again", len(questions))
            self._publish_all(questions)

    def probe(self, image: Path, seconds: float) -> None:
        """Asks for an image of nobody's where somebody waits, and nothing was said nor asked for so many seconds.

        Any answer shows that the stream goes on, and that what was asked before is lost.
        """
        if question := self._asked.probe(str(image), seconds):
            self._publish_all([question])

    def close(self) -> None:
        """Ends the connection; whoever asks later makes another."""
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def _publish_all(self, questions: Sequence[Question]) -> None:
        try:
            for question in questions:
                self._publish(question)
        except (PubSubRefused, ConnectionError) as error:
            _LOGGER.warning("what was asked is asked again later: %s", one_line(error))

    def _publish(self, question: Question) -> None:
        """Publishes, and once more with a new connection and all topics there."""
        data, attributes = os.fsencode(question.image), question.attributes
        publisher = self._connected()
        try:
            publisher.publish(data, attributes)
        except ConnectionError:
            self._leave(publisher)
            self.make()
            self._connected().publish(data, attributes)

    def _leave(self, publisher: OneTry) -> None:
        """It would wait up to two minutes before it connects anew. Another thread may have left it already."""
        with self._lock:
            if self._publisher is publisher:
                self._publisher = None
        publisher.close()

    def _connected(self) -> OneTry:
        with self._lock:
            if self._publisher is None:
                self._publisher = OneTry(self._topics.images)
            return self._publisher
