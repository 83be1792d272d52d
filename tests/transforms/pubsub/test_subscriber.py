"""A subscription is read through whatever becomes of Pub/Sub, and no message is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from launch.pubsub_emulator import PubSubEmulator
from launch.pubsub_emulator.errors import NotFoundError
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION, TOPIC
from tests.waiting import eventually
from transforms.pubsub.access import delete_subscription, make_subscription
from transforms.pubsub.publisher import OneTry
from transforms.pubsub.subscriber import Received, Subscriber

MISSING = "projects/demo-project/topics/missing"
OWN = "projects/demo-project/subscriptions/own"


class Taken:
    """Keeps what it is given; refuses what it is told to, once."""

    def __init__(self) -> None:
        self.messages: list[Received] = []
        self.threads: set[str] = set()
        self.refused: set[bytes] = set()

    def __call__(self, received: Received) -> None:
        self.threads.add(threading.current_thread().name)
        if received.data == b"refuse" and received.data not in self.refused:
            self.refused.add(received.data)
            raise ValueError("not now")
        self.messages.append(received)

    def texts(self) -> list[bytes]:
        return [each.data for each in self.messages]


@pytest.fixture
def taken() -> Taken:
    return Taken()


@contextmanager
def reading(subscription: str, topic: str | None, taken: Taken) -> Iterator[Subscriber]:
    subscriber = Subscriber(subscription, topic, taken)
    try:
        assert subscriber.await_reading(60)
        yield subscriber
    finally:
        subscriber.close()


def test_messages_come_whole_in_order_and_are_acknowledged(emulator: PubSubEmulator, taken: Taken) -> None:
    with reading(SUBSCRIPTION, TOPIC, taken):
        number = emulator.publish(TOPIC, b"first", {"drawing": "7"})
        for each in range(100):
            emulator.publish(TOPIC, b"%d" % each)

        eventually(lambda: len(taken.messages) == 101, "all messages")
        eventually(lambda: emulator.statistics(SUBSCRIPTION).acknowledged == 101, "their acknowledgement")

    assert taken.messages[0] == Received(number, b"first", {"drawing": "7"})
    assert taken.texts()[1:] == [b"%d" % each for each in range(100)]
    assert len(taken.threads) == 1


def test_one_as_large_as_pubsub_takes_holds_up_no_other(emulator: PubSubEmulator, taken: Taken) -> None:
    with reading(SUBSCRIPTION, TOPIC, taken):
        emulator.publish(TOPIC, b"x" * 9_900_000)
        emulator.publish(TOPIC, b"next")

        eventually(lambda: [len(each) for each in taken.texts()] == [9_900_000, 4], "both")


def test_what_is_missing_is_made(emulator: PubSubEmulator, taken: Taken) -> None:
    with reading(OWN, MISSING, taken):
        OneTry(MISSING).publish(b"here", {"some": "attribute"})

        eventually(lambda: taken.messages, "the message")

    assert taken.messages[0].attributes == {"some": "attribute"}


def test_a_subscription_and_its_topic_may_be_there_before(emulator: PubSubEmulator) -> None:
    make_subscription(SUBSCRIPTION, TOPIC)
    make_subscription(OWN, MISSING)
    make_subscription(OWN, MISSING)
    delete_subscription(OWN)
    delete_subscription(OWN)


def test_a_message_that_cannot_be_taken_is_not_acknowledged_and_holds_up_no_other(
    emulator: PubSubEmulator, taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    with reading(SUBSCRIPTION, TOPIC, taken):
        emulator.publish(TOPIC, b"refuse")
        emulator.publish(TOPIC, b"next")

        eventually(lambda: emulator.statistics(SUBSCRIPTION).acknowledged == 1, "the other's acknowledgement")

    assert taken.texts() == [b"next"]
    assert "could not be taken: not now" in caplog.text


def test_pubsub_may_go_and_come_back_without_anything_that_it_knew(
    emulator: PubSubEmulator, taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    with reading(SUBSCRIPTION, TOPIC, taken) as subscriber:
        emulator.stop()
        eventually(lambda: "cannot be read, trying until it can" in caplog.text, "its end to be told")
        eventually(lambda: not subscriber.await_reading(0), "nothing to be read")

        with PubSubEmulator(int(emulator.address.rpartition(":")[2])) as back:
            eventually(lambda: _publishes(back, b"again") and taken.messages, "a message")

    assert set(taken.texts()) == {b"again"}
    assert caplog.text.count("cannot be read, trying until it can") == 1


def _publishes(emulator: PubSubEmulator, data: bytes) -> bool:
    try:
        emulator.publish(TOPIC, data)
    except Exception:  # the subscriber has not made the topic yet
        return False
    return True


def test_closing_ends_within_seconds_with_and_without_pubsub(emulator: PubSubEmulator, taken: Taken) -> None:
    with_pubsub = Subscriber(SUBSCRIPTION, TOPIC, taken)
    assert with_pubsub.await_reading(60)
    with_pubsub.close()
    emulator.publish(TOPIC, b"late")
    emulator.stop()
    without = Subscriber(SUBSCRIPTION, TOPIC, taken)
    without.close()

    left = [each.name for each in threading.enumerate() if each.name.startswith("subscriber ")]
    assert (left, taken.messages) == ([], [])


def test_one_that_somebody_else_makes_is_waited_for_and_never_made(emulator: PubSubEmulator, taken: Taken) -> None:
    with reading(OWN, None, taken):
        with pytest.raises(NotFoundError):
            emulator.statistics(OWN)
        emulator.create_subscription(OWN, TOPIC)
        emulator.publish(TOPIC, b"label")

        eventually(lambda: taken.texts() == [b"label"], "its message")
