"""What drawings show in truth comes to where the job reads it, through whatever becomes of Pub/Sub meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from launch.pubsub_emulator import PubSubEmulator
from studio.stream.labels import Labels
from tests.studio.stream.one_studio import TOPICS
from tests.waiting import eventually
from transforms.pubsub.subscriber import Received, Subscriber


class Reading:
    """What the job's subscription is told."""

    def __init__(self) -> None:
        self.labels: list[dict[str, str]] = []

    def take(self, received: Received) -> None:
        self.labels.append(json.loads(received.data))


@pytest.fixture
def labels() -> Iterator[Labels]:
    labels = Labels(TOPICS)
    labels.begin()
    yield labels
    labels.close(10)


@contextmanager
def read() -> Iterator[Reading]:
    reading = Reading()
    subscriber = Subscriber(TOPICS.labels_subscription, TOPICS.labels, reading.take)
    yield reading
    subscriber.end()
    subscriber.close(10)


def test_each_label_is_told_by_the_message_that_asked(emulator: PubSubEmulator, labels: Labels) -> None:
    labels.make()
    with read() as reading:
        labels.tell("message-1", "7")
        labels.tell("", "3")  # of an answer whose message nobody knows
        labels.tell("message-2", "4")

        eventually(lambda: len(reading.labels) == 2, "both labels")
    assert reading.labels == [{"message_id": "message-1", "label": "7"}, {"message_id": "message-2", "label": "4"}]


def test_a_pubsub_that_goes_and_comes_back_knowing_nothing_is_told_what_waited(
    emulator: PubSubEmulator, labels: Labels
) -> None:
    labels.make()
    emulator.stop()
    labels.tell("message-1", "7")

    with PubSubEmulator(int(emulator.address.rpartition(":")[2])), read() as reading:
        eventually(lambda: reading.labels == [{"message_id": "message-1", "label": "7"}], "the label")


def test_it_ends_while_nobody_takes_its_labels(emulator: PubSubEmulator) -> None:
    emulator.stop()
    labels = Labels(TOPICS)
    labels.begin()
    labels.tell("message-1", "7")
    labels.close(60)
    labels.close(60)
    assert "labels" not in [thread.name for thread in threading.enumerate()]
