"""The gate before an emulator: messages pass in one answer, unchanged, and none while it is held."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1
from google.pubsub_v1 import types

from launch.pubsub_emulator import PubSubEmulator
from tests.launch.pubsub_emulator.pubsub_clients import PATIENCE_SECONDS, SUBSCRIPTION, TOPIC, pull
from tests.waiting import eventually
from transforms.pubsub.gate import LONGEST_DATA, PubSubGate


@pytest.fixture
def gate(emulator: PubSubEmulator) -> Iterator[PubSubGate]:
    with PubSubGate(emulator.address) as gate:
        yield gate
    assert os.environ["PUBSUB_EMULATOR_HOST"] == emulator.address


@pytest.fixture
def subscriber(gate: PubSubGate) -> Iterator[pubsub_v1.SubscriberClient]:
    """As Beam makes one: it sees the gate."""
    with pubsub_v1.SubscriberClient() as client:
        yield client


def test_messages_pass_unchanged_and_are_acknowledged_upstream(
    emulator: PubSubEmulator, gate: PubSubGate, subscriber: pubsub_v1.SubscriberClient
) -> None:
    message_id = emulator.publish(TOPIC, b"\xffimage", {"customer": "42"})

    [received] = pull(subscriber)
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[received.ack_id])

    assert (received.message.data, dict(received.message.attributes)) == (b"\xffimage", {"customer": "42"})
    assert received.message.message_id == message_id
    assert gate.delivered == 1
    assert emulator.statistics(SUBSCRIPTION).acknowledged == 1


def test_messages_as_large_as_pubsub_takes_hold_up_no_other(
    emulator: PubSubEmulator, gate: PubSubGate, subscriber: pubsub_v1.SubscriberClient
) -> None:
    """Beam's client takes an answer of 4 MiB."""
    emulator.publish(TOPIC, b"x" * 9_900_000)
    for _ in range(100):
        emulator.publish(TOPIC, b"y" * LONGEST_DATA)
    emulator.publish(TOPIC, b"image")

    received: list[Any] = []

    def have_all() -> bool:
        received.extend(pull(subscriber))
        return len(received) == 102

    eventually(have_all, "all of them")

    lengths = [len(each.message.data) for each in received]
    assert lengths == [LONGEST_DATA] * 101 + [5]
    assert gate.delivered == 102


def test_a_held_gate_delivers_nothing_until_it_is_resumed(
    emulator: PubSubEmulator, gate: PubSubGate, subscriber: pubsub_v1.SubscriberClient
) -> None:
    gate.hold()
    emulator.publish(TOPIC, b"image")

    assert pull(subscriber) == []
    assert gate.delivered == 0
    gate.resume()
    assert len(pull(subscriber)) == 1


def test_all_that_waits_is_delivered_at_once_and_what_comes_next_a_little_later(
    emulator: PubSubEmulator, gate: PubSubGate, subscriber: pubsub_v1.SubscriberClient
) -> None:
    for _ in range(40):
        emulator.publish(TOPIC, b"image")
    gathered = subscriber.pull(subscription=SUBSCRIPTION, max_messages=10)
    emulator.publish(TOPIC, b"late")

    at_once = subscriber.pull(subscription=SUBSCRIPTION, max_messages=10)
    later = subscriber.pull(subscription=SUBSCRIPTION, max_messages=10)

    assert [len(answer.received_messages) for answer in (gathered, at_once, later)] == [40, 0, 1]
    assert gate.delivered == 41


def test_messages_that_keep_coming_are_gathered(emulator: PubSubEmulator) -> None:
    with (
        PubSubGate(emulator.address, most_messages=1_000_000, gather_seconds=1.0, quiet_seconds=3600.0),
        pubsub_v1.SubscriberClient() as subscriber,
    ):
        begun = time.monotonic()
        for _ in range(2):
            emulator.publish(TOPIC, b"image")
            assert len(pull(subscriber)) == 1
            assert pull(subscriber) == []
        emulator.publish(TOPIC, b"image")

        assert len(pull(subscriber)) == 1
        assert time.monotonic() - begun > 0.5


def test_who_asks_for_little_now_and_then_waits_little(emulator: PubSubEmulator) -> None:
    with (
        PubSubGate(emulator.address, most_messages=1_000_000, gather_seconds=3600.0, quiet_seconds=1e-6),
        pubsub_v1.SubscriberClient() as subscriber,
    ):
        for image in (b"one", b"other"):
            emulator.publish(TOPIC, image)
            assert [each.message.data for each in pull(subscriber)] == [image]
            assert pull(subscriber) == []


def test_nothing_to_read_is_known_after_an_empty_pull(
    emulator: PubSubEmulator, gate: PubSubGate, subscriber: pubsub_v1.SubscriberClient
) -> None:
    assert not gate.empty
    emulator.publish(TOPIC, b"image")
    pull(subscriber)
    assert not gate.empty
    eventually(lambda: not pull(subscriber) and gate.empty, "an empty pull")


def test_publishing_passes_too(emulator: PubSubEmulator, gate: PubSubGate) -> None:
    publisher = pubsub_v1.PublisherClient()
    publisher.publish(TOPIC, bytes(5_000_000)).result(20)
    publisher.stop()

    assert emulator.statistics(SUBSCRIPTION).published == 1


def test_refusals_are_passed_on(gate: PubSubGate, subscriber: pubsub_v1.SubscriberClient) -> None:
    with pytest.raises(NotFound, match="nobody"):
        subscriber.pull(subscription="projects/demo-project/subscriptions/nobody", max_messages=1)


def test_an_emulator_that_has_gone_looks_like_one_without_messages(
    emulator: PubSubEmulator,
    gate: PubSubGate,
    subscriber: pubsub_v1.SubscriberClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    emulator.publish(TOPIC, b"image")
    [received] = pull(subscriber)
    emulator.stop()

    assert pull(subscriber) == []
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[received.ack_id])
    assert caplog.text.count("does not answer, trying until it does") == 1


class SlowUpstream(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not generic at run time
    """Answers a pull with three messages, once it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._pull)

    def _pull(self, request: bytes, context: Any) -> bytes:
        self.asked.set()
        self.may_answer.wait(PATIENCE_SECONDS)
        messages = [types.ReceivedMessage(ack_id=str(number)) for number in range(3)]
        return bytes(types.PullResponse.serialize(types.PullResponse(received_messages=messages)))


def test_holding_waits_for_the_pull_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "unset")
    upstream = SlowUpstream()
    server = grpc.server(ThreadPoolExecutor(1), handlers=[upstream])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with PubSubGate(address) as gate, pubsub_v1.SubscriberClient() as subscriber, ThreadPoolExecutor(2) as meanwhile:
        pulling = meanwhile.submit(pull, subscriber)
        assert upstream.asked.wait(PATIENCE_SECONDS)
        holding = meanwhile.submit(gate.hold)
        with pytest.raises(TimeoutError):
            holding.result(0.3)

        upstream.may_answer.set()

        holding.result(PATIENCE_SECONDS)
        assert gate.delivered == len(pulling.result(PATIENCE_SECONDS)) == 3
    server.stop(None)


def test_a_subscription_that_is_read_beside_is_neither_held_nor_counted_nor_mixed_in(emulator: PubSubEmulator) -> None:
    beside = "projects/demo-project/subscriptions/labels"
    emulator.create_subscription(beside, TOPIC)
    with PubSubGate(emulator.address, beside=(beside,)) as gate, pubsub_v1.SubscriberClient() as subscriber:
        gate.hold()
        emulator.publish(TOPIC, b"x" * (2 * LONGEST_DATA))

        received = subscriber.pull(subscription=beside, max_messages=10).received_messages
        assert [len(each.message.data) for each in received] == [2 * LONGEST_DATA]
        assert gate.delivered == 0
        gate.resume()
        assert len(pull(subscriber)) == 1
        assert gate.delivered == 1
