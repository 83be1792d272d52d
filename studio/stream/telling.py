"""What the job tells, read from its topics, each answer once."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from models.errors import typed_line
from models.printable import logger
from studio.stream.asked import MARK, Asked, Question, Whose
from studio.stream.config import Topics
from studio.stream.standing import Standing
from studio.stream.state import NO_ANSWER, StreamListener
from transforms.pubsub.access import delete_subscription, make_subscription
from transforms.pubsub.subscriber import Received, Subscriber

_LOGGER = logger(__name__)

Take = Callable[[Mapping[str, Any], str], None]
"""Takes a record, and the id of the message that it came with."""


class Telling:
    """Reads results, dead letters and model events by subscriptions of its own.

    Args:
        topics: of these.
        asked: what is waited for.
        standing: is told what changes it.
        told: hears of everything that is no duplicate.
    """

    def __init__(self, topics: Topics, asked: Asked, standing: Standing, told: StreamListener) -> None:
        self._asked = asked
        self._standing = standing
        self._told = told
        self._one_letter = threading.Lock()
        taken: dict[str, Take] = {
            topics.results: self._take_result,
            topics.dead_letters: self._take_dead_letter,
            topics.model_events: self._take_event,
        }
        self._taken = {_subscription_to(topic): (topic, take) for topic, take in taken.items()}
        self._subscribers: list[Subscriber] = []

    def begin(self) -> None:
        """Reads from now on; what is missing is made as soon as Pub/Sub is there."""
        for subscription, (topic, take) in self._taken.items():
            self._subscribers.append(Subscriber(subscription, topic, _parsed(take)))

    def make(self) -> None:
        """Makes what is missing, so that nothing that is told from now on goes by.

        Raises:
            PubSubRefused: it cannot be made.
        """
        for subscription, (topic, _) in self._taken.items():
            make_subscription(subscription, topic)

    def close(self, seconds: float) -> None:
        """Reads no more, and leaves no subscription behind, as far as that can be done in so many seconds."""
        until = time.monotonic() + seconds
        for subscriber in self._subscribers:
            subscriber.end()
        for subscriber in self._subscribers:
            subscriber.close(max(0.0, until - time.monotonic()))
        if self._subscribers:
            deleting = [
                threading.Thread(target=delete_subscription, args=(each,), name=f"deleting {each}", daemon=True)
                for each in self._taken
            ]
            for thread in deleting:
                thread.start()
            for thread in deleting:
                thread.join(max(0.0, until - time.monotonic()))
        self._subscribers.clear()

    def no_answer(self, question: Question) -> None:
        """Nobody will answer this one: whoever asked is told so by a dead letter that no job wrote."""
        self._take_letter({
            "image": question.image,
            "stage": "ask",
            "error": NO_ANSWER,
            "detail": f"the stream was asked {question.tries} times and never answered; draw again",
            "message_id": "",
            "publish_time": "",
            "attributes": question.attributes,
        }, Whose.ASKED)  # fmt: skip

    def _take_result(self, record: Mapping[str, Any], _: str) -> None:
        if (whose := self._asked.take(record)) is not Whose.KNOWN:
            self._standing.take_result(record)
            self._told.result(_with_attributes(record, whose))

    def _take_dead_letter(self, record: Mapping[str, Any], _: str) -> None:
        if (whose := self._asked.take(record)) is not Whose.KNOWN:
            self._take_letter(record, whose)

    def _take_letter(self, record: Mapping[str, Any], whose: Whose) -> None:
        with self._one_letter:
            self._standing.take_dead_letter()
            self._told.dead_letter(_with_attributes(record, whose))

    def _take_event(self, record: Mapping[str, Any], message_id: str) -> None:
        if self._asked.is_new(message_id):
            swapped = self._standing.take_event(record)
            self._told.model_event(record, swapped)


def _subscription_to(topic: str) -> str:
    """A name that no other run has."""
    project, _, name = topic.partition("/topics/")
    return f"{project}/subscriptions/studio-{name[:200]}-{uuid.uuid4().hex[:12]}"


def _with_attributes(record: Mapping[str, Any], whose: Whose) -> Mapping[str, Any]:
    """With the attributes that whoever asked gave; a stranger's are none of ours, whatever they say."""
    asked = record["attributes"].items() if whose is Whose.ASKED else ()
    return {**record, "attributes": {name: value for name, value in asked if name != MARK}}


def _parsed(take: Take) -> Callable[[Received], None]:
    def parse(received: Received) -> None:
        try:
            record = json.loads(received.data)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            _LOGGER.warning("a message that is no record was passed over: %s", received.message_id)
            return
        try:
            take(record, received.message_id)
        except Exception as error:  # anybody may publish to a topic whatever is of no shape that a record has
            # It would come again and again, and in the end nothing else would come.
            _LOGGER.warning("a record that is none of the job's was passed over: %s", typed_line(error))

    return parse
