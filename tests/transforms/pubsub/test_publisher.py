"""Publishing waits for as long as its topic refuses, and for what no waiting mends it does not wait."""

from __future__ import annotations

import logging
import threading

import pytest

from launch.pubsub_emulator import PubSubEmulator
from tests.waiting import eventually
from transforms.pubsub.errors import PublishingRefused, PublishingStopped
from transforms.pubsub.publisher import OneTry, Outgoing, PatientPublisher, Publishers

TOPIC = "projects/demo-project/topics/results"
SUBSCRIPTION = "projects/demo-project/subscriptions/results"


class Publishing(threading.Thread):
    """Publishes in a thread of its own; what came of it."""

    def __init__(self, publisher: PatientPublisher, *messages: bytes) -> None:
        super().__init__(daemon=True)
        self._publisher = publisher
        self._messages = [Outgoing(data) for data in messages]
        self.retries: int | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.retries = self._publisher.publish(self._messages)
        except Exception as error:
            self.error = error


def with_topic(emulator: PubSubEmulator) -> None:
    emulator.create_topic(TOPIC)
    emulator.create_subscription(SUBSCRIPTION, TOPIC)


def test_a_topic_that_refuses_for_a_while_gets_everything_once(
    emulator: PubSubEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    publishing_all = Publishing(Publishers().of(TOPIC), b"one", b"two")
    eventually(lambda: "cannot be published to" in caplog.text, "the topic to refuse")

    with_topic(emulator)
    publishing_all.join(20)

    assert publishing_all.retries
    assert emulator.statistics(SUBSCRIPTION).published == 2
    assert caplog.text.count("cannot be published to, trying until it can") == 1


def test_pubsub_out_of_reach_is_waited_for(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with PubSubEmulator() as gone:
        address = gone.address
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    publishing_all = Publishing(Publishers().of(TOPIC), b"one")
    eventually(lambda: "cannot be published to" in caplog.text, "the topic to refuse")

    with PubSubEmulator(int(address.rpartition(":")[2])) as back:
        with_topic(back)
        publishing_all.join(60)

        assert back.statistics(SUBSCRIPTION).published == 1


def test_who_waits_is_let_go_when_the_program_ends(emulator: PubSubEmulator, caplog: pytest.LogCaptureFixture) -> None:
    publishers = Publishers()
    publishing_all = Publishing(publishers.of(TOPIC), b"one")
    eventually(lambda: "cannot be published to" in caplog.text, "the topic to refuse")

    publishers.stop_waiting()
    publishing_all.join(20)

    assert isinstance(publishing_all.error, PublishingStopped)


def test_a_message_that_pubsub_calls_invalid_is_not_tried_again(emulator: PubSubEmulator) -> None:
    with_topic(emulator)

    with pytest.raises(PublishingRefused, match="does not take these messages"):
        Publishers().of(TOPIC).publish([Outgoing(b"", {})])


def test_more_than_one_request_may_carry_is_sent_in_several(
    emulator: PubSubEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    with_topic(emulator)
    caplog.set_level(logging.WARNING)

    Publishers().of(TOPIC).publish([Outgoing(b"x")] * 2500)
    Publishers().of(TOPIC).publish([Outgoing(bytes(3_000_000))] * 7)
    Publishers().of(TOPIC).publish([])

    assert emulator.statistics(SUBSCRIPTION).published == 2507
    assert caplog.text == ""


def test_one_try_that_was_closed_says_so_and_another_publishes(emulator: PubSubEmulator) -> None:
    emulator.create_topic(TOPIC)
    emulator.create_subscription(SUBSCRIPTION, TOPIC)
    closed, another = OneTry(TOPIC), OneTry(TOPIC)
    closed.publish(b"before")
    closed.close()
    closed.close()

    with pytest.raises(ConnectionError, match="was closed"):
        closed.publish(b"after")

    another.publish(b"another")
    another.close()
    assert emulator.statistics(SUBSCRIPTION).published == 2
