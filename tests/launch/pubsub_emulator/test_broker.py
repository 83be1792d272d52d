"""What the emulator's broker promises, on a clock that moves only when told to."""

from __future__ import annotations

import threading
import tracemalloc
from datetime import UTC, datetime

import pytest

from launch.pubsub_emulator.broker import Broker, Subscription, Topic
from launch.pubsub_emulator.errors import (
    AlreadyExistsError,
    NotFoundError,
    StoppedError,
)
from launch.pubsub_emulator.messages import Content
from launch.pubsub_emulator.queue import Statistics

TOPIC = "projects/demo-project/topics/images"
SUBSCRIPTION = "projects/demo-project/subscriptions/images"
NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker(clock: Clock) -> Broker:
    broker = Broker(clock, now=lambda: NOON)
    broker.create_topic(Topic(TOPIC))
    broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))
    return broker


def publish(broker: Broker, *texts: str) -> list[str]:
    return broker.publish(TOPIC, [Content(text.encode()) for text in texts])


def pull(broker: Broker, max_messages: int = 10, subscription: str = SUBSCRIPTION) -> dict[str, str]:
    """What a pull gives at once: ack id by text."""
    received = broker.pull(subscription, max_messages, wait_seconds=0)
    return {message.content.data.decode(): ack_id for ack_id, message in received}


def test_a_message_keeps_what_it_was_published_with(broker: Broker) -> None:
    [message_id] = broker.publish(TOPIC, [Content(b"\x00\xff", {"camera": "3"})])

    [(_, message)] = broker.pull(SUBSCRIPTION, 1, wait_seconds=0)

    assert message.content == Content(b"\x00\xff", {"camera": "3"})
    assert (message.message_id, message.publish_time) == (message_id, NOON)


def test_message_ids_are_unique_even_over_a_restart(broker: Broker) -> None:
    before = publish(broker, *"abcde")
    restarted = Broker()
    restarted.create_topic(Topic(TOPIC))
    after = publish(restarted, *"abcde")

    assert len({*before, *after}) == 10


def test_each_subscription_of_the_moment_gets_each_message(broker: Broker) -> None:
    other = SUBSCRIPTION + "-other"
    publish(broker, "before")
    broker.create_subscription(Subscription(other, TOPIC))
    publish(broker, "after")

    assert list(pull(broker)) == ["before", "after"]
    assert list(pull(broker, subscription=other)) == ["after"]


def test_a_leased_message_is_not_handed_out_twice(broker: Broker) -> None:
    publish(broker, "a", "b")

    assert [list(pull(broker, max_messages=1)) for _ in range(3)] == [["a"], ["b"], []]


def test_an_unacknowledged_message_comes_again_after_its_deadline(broker: Broker, clock: Clock) -> None:
    publish(broker, "a")
    first = pull(broker)
    clock.seconds += 9.9
    assert pull(broker) == {}
    clock.seconds += 0.1

    second = pull(broker)

    assert list(second) == ["a"]
    assert second["a"] != first["a"]


def test_an_acknowledged_message_never_comes_again(broker: Broker, clock: Clock) -> None:
    publish(broker, "a")
    broker.acknowledge(SUBSCRIPTION, [pull(broker)["a"]])
    clock.seconds += 3600

    assert pull(broker) == {}
    assert broker.statistics(SUBSCRIPTION) == Statistics(1, 1, 1, 0, 0)


def test_an_acknowledgement_after_the_deadline_does_nothing(broker: Broker, clock: Clock) -> None:
    publish(broker, "a")
    late = pull(broker)["a"]
    clock.seconds += 10
    broker.acknowledge(SUBSCRIPTION, [late, late, "never-given"])

    assert list(pull(broker)) == ["a"]
    broker.acknowledge(SUBSCRIPTION, [late])
    assert broker.statistics(SUBSCRIPTION).acknowledged == 0


def test_acknowledging_twice_counts_once(broker: Broker) -> None:
    publish(broker, "a", "b")
    ack_id = pull(broker)["a"]
    broker.acknowledge(SUBSCRIPTION, [ack_id, ack_id])
    broker.acknowledge(SUBSCRIPTION, [ack_id])

    assert broker.statistics(SUBSCRIPTION) == Statistics(2, 2, 1, 1, 0)


def test_an_ack_id_is_of_no_use_in_another_subscription(broker: Broker) -> None:
    other = SUBSCRIPTION + "-other"
    broker.create_subscription(Subscription(other, TOPIC))
    publish(broker, "a")
    mine = pull(broker)["a"]
    pull(broker, subscription=other)
    broker.acknowledge(other, [mine])

    assert broker.statistics(other).acknowledged == 0


def test_a_refused_message_comes_again_at_once_behind_the_others(broker: Broker) -> None:
    publish(broker, "a", "b")
    refused = pull(broker, max_messages=1)["a"]
    broker.modify_ack_deadline(SUBSCRIPTION, [refused], 0)

    assert list(pull(broker)) == ["b", "a"]


def test_a_deadline_can_be_moved_both_ways(broker: Broker, clock: Clock) -> None:
    publish(broker, "longer", "shorter")
    leased = pull(broker)
    broker.modify_ack_deadline(SUBSCRIPTION, [leased["longer"]], 600)
    broker.modify_ack_deadline(SUBSCRIPTION, [leased["shorter"]], 1)

    clock.seconds += 1
    assert list(pull(broker)) == ["shorter"]
    clock.seconds += 598.9
    assert list(pull(broker)) == ["shorter"]
    clock.seconds += 0.1
    assert list(pull(broker)) == ["longer"]


def test_a_subscription_has_the_deadline_it_asked_for(broker: Broker, clock: Clock) -> None:
    broker.create_subscription(Subscription(SUBSCRIPTION + "-slow", TOPIC, ack_deadline_seconds=60))
    publish(broker, "a")
    pull(broker, subscription=SUBSCRIPTION + "-slow")
    clock.seconds += 59

    assert pull(broker, subscription=SUBSCRIPTION + "-slow") == {}


def test_the_statistics_account_for_every_message(broker: Broker, clock: Clock) -> None:
    publish(broker, *"abcdef")
    leased = pull(broker, max_messages=4)
    broker.acknowledge(SUBSCRIPTION, [leased["a"]])
    broker.modify_ack_deadline(SUBSCRIPTION, [leased["b"]], 0)
    assert broker.statistics(SUBSCRIPTION) == Statistics(
        published=6, delivered=4, acknowledged=1, outstanding=2, backlog=3
    )

    clock.seconds += 10
    assert broker.statistics(SUBSCRIPTION) == Statistics(
        published=6, delivered=4, acknowledged=1, outstanding=0, backlog=5
    )


def test_ended_leases_leave_nothing_behind(broker: Broker) -> None:
    slow = SUBSCRIPTION + "-slow"
    broker.create_subscription(Subscription(slow, TOPIC, ack_deadline_seconds=600))

    def pull_and_acknowledge(times: int) -> int:
        for _ in range(times):
            broker.publish(TOPIC, [Content(b"a")])
            broker.acknowledge(slow, list(pull(broker, subscription=slow).values()))
        return tracemalloc.get_traced_memory()[0]

    broker.delete_subscription(SUBSCRIPTION)
    tracemalloc.start()
    try:
        before = pull_and_acknowledge(2000)
        grown = pull_and_acknowledge(10_000) - before
    finally:
        tracemalloc.stop()

    assert broker.statistics(slow).outstanding == 0
    assert grown < 10_000 * 20, "bytes, of 10,000 messages that are gone"


def test_nothing_is_handed_out_once_deliveries_are_held(broker: Broker) -> None:
    publish(broker, "a", "b")
    leased = pull(broker, max_messages=1)
    broker.hold_deliveries()
    broker.acknowledge(SUBSCRIPTION, list(leased.values()))

    assert pull(broker) == {}
    assert broker.statistics(SUBSCRIPTION) == Statistics(2, 1, 1, 0, 1)


def test_held_deliveries_can_be_resumed(broker: Broker) -> None:
    publish(broker, "a")
    broker.hold_deliveries()
    assert pull(broker) == {}

    broker.resume_deliveries()

    assert len(pull(broker)) == 1


def test_one_response_stays_below_ten_megabytes(broker: Broker) -> None:
    for _ in range(3):
        broker.publish(TOPIC, [Content(b"x" * 6_000_000)])

    assert [len(broker.pull(SUBSCRIPTION, 10, wait_seconds=0)) for _ in range(4)] == [1, 1, 1, 0]


def test_a_stream_holds_no_more_messages_than_it_asked_for(broker: Broker) -> None:
    publish(broker, *"abcde")
    stream = broker.open_stream(SUBSCRIPTION, 10, max_messages=2, max_bytes=0)

    first = broker.pull_stream(stream)
    assert len(first) == 2
    broker.acknowledge(SUBSCRIPTION, [first[0].ack_id])
    assert len(broker.pull_stream(stream)) == 1
    broker.modify_ack_deadline(SUBSCRIPTION, [first[1].ack_id], 0)
    assert len(broker.pull_stream(stream)) == 1


def test_a_stream_holds_no_more_bytes_than_it_asked_for_but_always_one_message(broker: Broker) -> None:
    publish(broker, "1234", "567", "a message larger than the limit")
    stream = broker.open_stream(SUBSCRIPTION, 10, max_messages=0, max_bytes=8)

    sizes = []
    for _ in range(2):
        received = broker.pull_stream(stream)
        sizes.append([message.size for _, message in received])
        broker.acknowledge(SUBSCRIPTION, [ack_id for ack_id, _ in received])

    assert sizes == [[4, 3], [31]]


def test_a_stream_leases_for_its_own_deadline(broker: Broker, clock: Clock) -> None:
    publish(broker, "a")
    broker.pull_stream(broker.open_stream(SUBSCRIPTION, 60, 0, 0))
    clock.seconds += 59
    assert pull(broker) == {}
    clock.seconds += 1
    assert list(pull(broker)) == ["a"]


def test_closing_a_stream_ends_its_wait_with_nothing(broker: Broker) -> None:
    stream = broker.open_stream(SUBSCRIPTION, 10, 0, 0)
    received: list[object] = ["something"]
    waiter = threading.Thread(target=lambda: received.__setitem__(slice(None), broker.pull_stream(stream)))
    waiter.start()
    broker.close_stream(stream)
    waiter.join(timeout=5)

    assert not waiter.is_alive()
    assert received == []


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda broker: broker.stop(), StoppedError),
        (lambda broker: broker.delete_subscription(SUBSCRIPTION), NotFoundError),
    ],
    ids=["stopping", "deleting the subscription"],
)
def test_a_waiting_stream_is_told_when_there_is_no_more(end, error, broker: Broker) -> None:
    stream = broker.open_stream(SUBSCRIPTION, 10, 0, 0)
    raised: list[BaseException] = []

    def wait() -> None:
        try:
            broker.pull_stream(stream)
        except (StoppedError, NotFoundError) as stopped:
            raised.append(stopped)

    waiter = threading.Thread(target=wait)
    waiter.start()
    end(broker)
    waiter.join(timeout=5)

    assert [type(each) for each in raised] == [error]


def test_a_waiting_pull_answers_as_soon_as_a_message_is_published() -> None:
    broker = Broker()
    broker.create_topic(Topic(TOPIC))
    broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))
    received: list[object] = []
    puller = threading.Thread(target=lambda: received.extend(broker.pull(SUBSCRIPTION, 1, wait_seconds=60)))
    puller.start()
    publish(broker, "a")
    puller.join(timeout=5)

    assert len(received) == 1


def test_a_waiting_pull_answers_when_a_lease_runs_out() -> None:
    broker = Broker()
    broker.create_topic(Topic(TOPIC))
    broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))
    publish(broker, "a")
    broker.modify_ack_deadline(SUBSCRIPTION, [pull(broker)["a"]], 1)

    assert len(broker.pull(SUBSCRIPTION, 1, wait_seconds=60)) == 1


def test_a_pull_that_finds_nothing_answers_empty_when_its_wait_is_over() -> None:
    broker = Broker()
    broker.create_topic(Topic(TOPIC))
    broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))

    assert broker.pull(SUBSCRIPTION, 1, wait_seconds=0.02) == []


def test_many_threads_lose_and_double_nothing() -> None:
    broker = Broker()
    broker.create_topic(Topic(TOPIC))
    broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))
    seen: list[str] = []

    def publish_some() -> None:
        for _ in range(500):
            publish(broker, "a", "b")

    def take_some() -> None:
        while received := broker.pull(SUBSCRIPTION, 7, wait_seconds=0.5):
            broker.acknowledge(SUBSCRIPTION, [ack_id for ack_id, _ in received])
            seen.extend(message.message_id for _, message in received)

    threads = [threading.Thread(target=target) for target in (publish_some, take_some) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(seen) == len(set(seen)) == 4000
    assert broker.statistics(SUBSCRIPTION) == Statistics(4000, 4000, 4000, 0, 0)


def test_a_deleted_topic_leaves_its_subscription_with_what_it_has(broker: Broker) -> None:
    publish(broker, "a")
    broker.delete_topic(TOPIC)

    assert broker.subscription(SUBSCRIPTION).topic == "_deleted-topic_"
    assert list(pull(broker)) == ["a"]
    with pytest.raises(NotFoundError, match="topics/images does not exist"):
        publish(broker, "b")


def test_a_topic_created_again_does_not_reach_the_old_subscription(broker: Broker) -> None:
    broker.delete_topic(TOPIC)
    broker.create_topic(Topic(TOPIC))
    publish(broker, "a")

    assert broker.topic_subscriptions(TOPIC) == []
    assert pull(broker) == {}


def test_a_deleted_subscription_is_gone(broker: Broker) -> None:
    broker.delete_subscription(SUBSCRIPTION)
    publish(broker, "a")

    assert broker.topic_subscriptions(TOPIC) == []
    with pytest.raises(NotFoundError):
        pull(broker)


def test_a_name_is_taken_once(broker: Broker) -> None:
    with pytest.raises(AlreadyExistsError):
        broker.create_topic(Topic(TOPIC))
    with pytest.raises(AlreadyExistsError):
        broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))
