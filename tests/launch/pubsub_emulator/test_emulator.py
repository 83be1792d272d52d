"""The emulator as its users meet it: through Google's own clients, and through Beam."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import apache_beam as beam
import grpc
import pytest
from apache_beam.io.gcp.pubsub import PubsubMessage, ReadFromPubSub, WriteToPubSub
from apache_beam.options.pipeline_options import PipelineOptions
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.protobuf import duration_pb2
from google.pubsub_v1 import types

from launch.pubsub_emulator import PubSubEmulator, Statistics
from launch.pubsub_emulator.server import MAX_WAITING_PULLS
from tests.launch.pubsub_emulator.pubsub_clients import PATIENCE_SECONDS, PROJECT, SUBSCRIPTION, TOPIC, pull
from tests.waiting import eventually

# Publishing and pulling


def test_what_googles_publisher_sends_googles_subscriber_pulls(publisher, subscriber) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    message_id = publisher.publish(TOPIC, "grün.jpg".encode(), camera="3").result(PATIENCE_SECONDS)

    [received] = pull(subscriber)

    assert received.message.message_id == message_id
    assert received.message.data == "grün.jpg".encode()
    assert dict(received.message.attributes) == {"camera": "3"}
    published: Any = received.message.publish_time
    assert before <= published <= datetime.now(UTC)


def test_an_unacknowledged_message_comes_again(emulator, subscriber) -> None:
    emulator.publish(TOPIC, b"a")
    [first] = pull(subscriber)
    assert pull(subscriber) == []
    subscriber.modify_ack_deadline(subscription=SUBSCRIPTION, ack_ids=[first.ack_id], ack_deadline_seconds=0)

    [second] = pull(subscriber)

    assert second.message == first.message


def test_an_acknowledged_message_is_done(emulator, subscriber) -> None:
    emulator.publish(TOPIC, b"a")
    [received] = pull(subscriber)
    subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[received.ack_id])

    assert emulator.statistics(SUBSCRIPTION) == Statistics(1, 1, 1, 0, 0)


def test_a_pull_of_nothing_returns_soon(emulator, subscriber) -> None:
    pull(subscriber)
    started = time.monotonic()
    for _ in range(5):
        assert pull(subscriber) == []
    assert 5 * 0.05 <= time.monotonic() - started < 5


def test_a_pull_waits_as_long_as_the_emulator_was_told_unless_it_must_not(monkeypatch) -> None:
    with PubSubEmulator(pull_wait_seconds=60) as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        emulator.create_topic(TOPIC)
        emulator.create_subscription(SUBSCRIPTION, TOPIC)
        with pubsub_v1.SubscriberClient() as subscriber, ThreadPoolExecutor(1) as background:
            request = {"subscription": SUBSCRIPTION, "max_messages": 1, "return_immediately": True}
            assert not subscriber.pull(request=request, timeout=PATIENCE_SECONDS).received_messages
            waiting = background.submit(pull, subscriber)
            emulator.publish(TOPIC, b"a")
            assert [each.message.data for each in waiting.result(PATIENCE_SECONDS)] == [b"a"]


def test_waiting_pulls_leave_room_for_publishing(monkeypatch) -> None:
    with PubSubEmulator(pull_wait_seconds=3600) as emulator:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.address)
        emulator.create_topic(TOPIC)
        emulator.create_subscription(SUBSCRIPTION, TOPIC)
        pulls = 4 * MAX_WAITING_PULLS
        with pubsub_v1.SubscriberClient() as subscriber, ThreadPoolExecutor(pulls) as background:
            answers = [background.submit(pull, subscriber, 1) for _ in range(pulls)]
            eventually(
                lambda: sum(answer.done() for answer in answers) == pulls - MAX_WAITING_PULLS, "the pulls too many"
            )
            publisher = pubsub_v1.PublisherClient()
            for _ in range(MAX_WAITING_PULLS):
                publisher.publish(TOPIC, b"a").result(PATIENCE_SECONDS)
            assert sum(len(answer.result(PATIENCE_SECONDS)) for answer in answers) == MAX_WAITING_PULLS


def test_after_holding_deliveries_pulls_are_empty(emulator, subscriber) -> None:
    emulator.publish(TOPIC, b"a")
    emulator.hold_deliveries()

    assert pull(subscriber) == []
    assert emulator.statistics(SUBSCRIPTION).backlog == 1


def test_ten_thousand_messages_take_seconds(emulator, publisher, subscriber) -> None:
    started = time.monotonic()
    for first in range(0, 10_000, 500):
        messages = [{"data": b"image-%d.jpg" % n} for n in range(first, first + 500)]
        publisher.transport.publish(types.PublishRequest(topic=TOPIC, messages=messages))
    seen: set[bytes] = set()
    while received := pull(subscriber, 500):
        seen.update(each.message.data for each in received)
        subscriber.acknowledge(subscription=SUBSCRIPTION, ack_ids=[each.ack_id for each in received])

    assert len(seen) == 10_000
    assert time.monotonic() - started < 15
    assert emulator.statistics(SUBSCRIPTION) == Statistics(10_000, 10_000, 10_000, 0, 0)


# Topics and subscriptions


def test_topics_are_created_listed_and_deleted(publisher) -> None:
    created = publisher.create_topic(request={"name": f"{PROJECT}/topics/another", "labels": {"team": "vision"}})
    publisher.create_topic(name="projects/other-project/topics/elsewhere")

    assert publisher.get_topic(topic=created.name).labels == {"team": "vision"}
    assert [topic.name for topic in publisher.list_topics(project=PROJECT)] == [created.name, TOPIC]
    publisher.delete_topic(topic=created.name)
    with pytest.raises(exceptions.NotFound, match="topics/another does not exist"):
        publisher.get_topic(topic=created.name)


def test_subscriptions_are_created_listed_and_deleted(publisher, subscriber) -> None:
    other = f"{PROJECT}/subscriptions/another"
    created = subscriber.create_subscription(
        request={"name": other, "topic": TOPIC, "ack_deadline_seconds": 60, "push_config": {}}
    )

    assert created == subscriber.get_subscription(subscription=other)
    assert (created.topic, created.ack_deadline_seconds) == (TOPIC, 60)
    assert subscriber.get_subscription(subscription=SUBSCRIPTION).ack_deadline_seconds == 10
    assert [each.name for each in subscriber.list_subscriptions(project=PROJECT)] == [other, SUBSCRIPTION]
    assert list(publisher.list_topic_subscriptions(topic=TOPIC)) == [other, SUBSCRIPTION]
    subscriber.delete_subscription(subscription=other)
    assert list(publisher.list_topic_subscriptions(topic=TOPIC)) == [SUBSCRIPTION]


def test_a_subscription_outlives_its_topic(publisher, subscriber) -> None:
    publisher.delete_topic(topic=TOPIC)

    assert subscriber.get_subscription(subscription=SUBSCRIPTION).topic == "_deleted-topic_"


def test_long_lists_come_in_pages(emulator, publisher) -> None:
    names = sorted(f"{PROJECT}/topics/topic-{n}" for n in range(7))
    for name in names:
        emulator.create_topic(name)

    pager = publisher.list_topics(request={"project": PROJECT, "page_size": 3})
    assert [len(page.topics) for page in pager.pages] == [3, 3, 2]
    pager = publisher.list_topics(request={"project": PROJECT, "page_size": 3})
    assert [topic.name for topic in pager] == [TOPIC, *names]


Call = Callable[[pubsub_v1.PublisherClient, pubsub_v1.SubscriberClient], object]
REFUSALS: dict[str, tuple[Call, type[exceptions.GoogleAPICallError]]] = {
    "topic exists": (lambda p, s: p.create_topic(name=TOPIC), exceptions.AlreadyExists),
    "bad topic name": (
        lambda p, s: p.create_topic(name=f"{PROJECT}/topics/goog1"),
        exceptions.InvalidArgument,
    ),
    "no such topic": (lambda p, s: p.delete_topic(topic=TOPIC + "-none"), exceptions.NotFound),
    "publish to no topic": (lambda p, s: p.publish(TOPIC + "-none", b"x").result(9), exceptions.NotFound),
    "publish nothing": (lambda p, s: p.publish(TOPIC, b"").result(9), exceptions.InvalidArgument),
    "bad project": (lambda p, s: p.list_topics(project="demo"), exceptions.InvalidArgument),
    "negative page": (
        lambda p, s: p.list_topics(request={"project": PROJECT, "page_size": -1}),
        exceptions.InvalidArgument,
    ),
    "subscription exists": (
        lambda p, s: s.create_subscription(name=SUBSCRIPTION, topic=TOPIC),
        exceptions.AlreadyExists,
    ),
    "subscription to no topic": (
        lambda p, s: s.create_subscription(name=SUBSCRIPTION + "-2", topic=TOPIC + "-none"),
        exceptions.NotFound,
    ),
    "deadline too short": (
        lambda p, s: s.create_subscription(
            request={"name": SUBSCRIPTION + "-2", "topic": TOPIC, "ack_deadline_seconds": 9}
        ),
        exceptions.InvalidArgument,
    ),
    "no such subscription": (
        lambda p, s: s.pull(subscription=SUBSCRIPTION + "-none", max_messages=1),
        exceptions.NotFound,
    ),
    "pull of no messages": (
        lambda p, s: s.pull(subscription=SUBSCRIPTION, max_messages=0),
        exceptions.InvalidArgument,
    ),
    "acknowledge nothing": (
        lambda p, s: s.acknowledge(subscription=SUBSCRIPTION, ack_ids=[]),
        exceptions.InvalidArgument,
    ),
    "deadline too long": (
        lambda p, s: s.modify_ack_deadline(subscription=SUBSCRIPTION, ack_ids=["1"], ack_deadline_seconds=601),
        exceptions.InvalidArgument,
    ),
    "seek": (lambda p, s: s.seek(request={"subscription": SUBSCRIPTION}), exceptions.MethodNotImplemented),
    "snapshot": (
        lambda p, s: s.create_snapshot(name=f"{PROJECT}/snapshots/abc", subscription=SUBSCRIPTION),
        exceptions.MethodNotImplemented,
    ),
    "update a topic": (
        lambda p, s: p.update_topic(request={"topic": {"name": TOPIC}}),
        exceptions.MethodNotImplemented,
    ),
    "topic retention": (
        lambda p, s: p.create_topic(
            request={
                "name": TOPIC + "-2",
                "message_retention_duration": duration_pb2.Duration(seconds=600),
            }
        ),
        exceptions.MethodNotImplemented,
    ),
}


@pytest.mark.parametrize(("call", "error"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_has_the_status_of_the_real_service(call, error, publisher, subscriber) -> None:
    with pytest.raises(error):
        call(publisher, subscriber)


@pytest.mark.parametrize(
    "setting",
    [
        {"push_config": {"push_endpoint": "https://example.com"}},
        {"filter": "attributes.camera = '3'"},
        {"enable_message_ordering": True},
        {"enable_exactly_once_delivery": True},
        {"dead_letter_policy": {"dead_letter_topic": TOPIC, "max_delivery_attempts": 5}},
        {"retry_policy": {"minimum_backoff": duration_pb2.Duration(seconds=1)}},
        {"message_retention_duration": duration_pb2.Duration(seconds=600)},
        {"retain_acked_messages": True},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_subscription_that_would_not_be_honoured_is_refused(setting, subscriber) -> None:
    request = {"name": SUBSCRIPTION + "-2", "topic": TOPIC} | setting

    with pytest.raises(exceptions.MethodNotImplemented, match=f"does not implement {next(iter(setting))}"):
        subscriber.create_subscription(request=request)
    with pytest.raises(exceptions.NotFound):
        subscriber.get_subscription(subscription=SUBSCRIPTION + "-2")


def test_a_publish_beyond_the_limit_is_refused_by_name(emulator) -> None:
    request = types.PublishRequest(topic=TOPIC, messages=[{"data": b"x" * 10_000_001}])
    with grpc.insecure_channel(emulator.address) as channel:
        publish = channel.unary_unary("/google.pubsub.v1.Publisher/Publish", types.PublishRequest.serialize, None)
        with pytest.raises(grpc.RpcError) as refused:
            publish(request, timeout=PATIENCE_SECONDS)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


# Beam


def shout(message: PubsubMessage) -> PubsubMessage:
    return PubsubMessage(message.data.upper(), message.attributes)


def test_a_beam_job_reads_and_writes_through_it(emulator, subscriber) -> None:
    results, output = f"{PROJECT}/topics/results", f"{PROJECT}/subscriptions/results"
    emulator.create_topic(results)
    emulator.create_subscription(output, results)
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=DirectRunner", "--streaming"]))
    messages = pipeline | ReadFromPubSub(subscription=SUBSCRIPTION, with_attributes=True)
    messages | beam.Map(shout) | WriteToPubSub(results, with_attributes=True)

    job = pipeline.run()
    try:
        for n in range(25):
            emulator.publish(TOPIC, b"image-%d" % n, {"n": str(n)})
        eventually(lambda: emulator.statistics(output).published == 25, "every result")
    finally:
        job.cancel()

    received = subscriber.pull(subscription=output, max_messages=100).received_messages
    assert {(each.message.data, each.message.attributes["n"]) for each in received} == {
        (b"IMAGE-%d" % n, str(n)) for n in range(25)
    }
    assert emulator.statistics(SUBSCRIPTION) == Statistics(25, 25, 25, 0, 0)
