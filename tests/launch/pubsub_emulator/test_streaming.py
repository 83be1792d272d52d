"""The streaming pull: through Google's own `subscribe`, and raw, where that would hide what happens."""

from __future__ import annotations

import itertools
import queue
import threading

import grpc
import pytest
from google.cloud import pubsub_v1

from launch.pubsub_emulator import Statistics, streaming
from launch.pubsub_emulator.server import MAX_STREAMS
from tests.launch.pubsub_emulator.pubsub_clients import PATIENCE_SECONDS, SUBSCRIPTION, TOPIC, RawStream
from tests.waiting import eventually


def reading_has_ended() -> bool:
    """Whether no stream has a thread of its own any more."""
    return not any(thread.name == "pubsub-emulator-uplink" for thread in threading.enumerate())


def is_served(stream: RawStream) -> bool:
    """Whether `stream` gets the messages that wait, rather than a refusal."""
    try:
        return len(next(stream.responses).received_messages) > 0
    except grpc.RpcError:
        return False


def test_subscribe_receives_everything_and_cancel_ends_it(emulator, subscriber) -> None:
    seen: queue.Queue[bytes] = queue.Queue()

    def callback(message: pubsub_v1.subscriber.message.Message) -> None:
        seen.put(message.data)
        message.ack()

    future = subscriber.subscribe(SUBSCRIPTION, callback)
    for n in range(300):
        emulator.publish(TOPIC, b"%d" % n)

    assert {seen.get(timeout=PATIENCE_SECONDS) for _ in range(300)} == {b"%d" % n for n in range(300)}
    eventually(lambda: emulator.statistics(SUBSCRIPTION) == Statistics(300, 300, 300, 0, 0), "every acknowledgement")
    future.cancel()
    future.result(PATIENCE_SECONDS)


def test_a_message_refused_on_a_stream_comes_again(emulator, subscriber) -> None:
    attempts = itertools.count(1)
    done = threading.Event()

    def callback(message: pubsub_v1.subscriber.message.Message) -> None:
        if next(attempts) < 3:
            message.nack()
        else:
            message.ack()
            done.set()

    future = subscriber.subscribe(SUBSCRIPTION, callback)
    emulator.publish(TOPIC, b"a")

    assert done.wait(PATIENCE_SECONDS)
    eventually(lambda: emulator.statistics(SUBSCRIPTION) == Statistics(1, 1, 1, 0, 0), "the acknowledgement")
    future.cancel()
    future.result(PATIENCE_SECONDS)


def test_a_stream_delivers_no_more_than_was_asked_for(emulator, subscriber) -> None:
    for n in range(3):
        emulator.publish(TOPIC, b"%d" % n)
    stream = RawStream(subscriber, max_outstanding_messages=2)

    first = next(stream.responses)
    assert [each.message.data for each in first.received_messages] == [b"0", b"1"]
    assert not first.subscription_properties.exactly_once_delivery_enabled
    assert "subscription_properties" in first
    assert emulator.statistics(SUBSCRIPTION).outstanding == 2
    stream.send(ack_ids=[first.received_messages[0].ack_id])
    assert [each.message.data for each in next(stream.responses).received_messages] == [b"2"]
    stream.responses.cancel()


def test_a_stream_can_refuse_and_extend(emulator, subscriber) -> None:
    emulator.publish(TOPIC, b"a")
    stream = RawStream(subscriber)
    [received] = next(stream.responses).received_messages
    stream.send(modify_deadline_ack_ids=[received.ack_id], modify_deadline_seconds=[0])

    [again] = next(stream.responses).received_messages
    assert again.message == received.message
    stream.responses.cancel()


def test_a_stream_that_the_client_ends_is_over(subscriber) -> None:
    stream = RawStream(subscriber)
    stream.end()

    assert list(stream.responses) == []


@pytest.mark.parametrize(
    ("first", "later", "status"),
    [
        ({"subscription": SUBSCRIPTION + "-none"}, {}, grpc.StatusCode.NOT_FOUND),
        ({"stream_ack_deadline_seconds": 9}, {}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"modify_deadline_ack_ids": ["1"]}, {}, grpc.StatusCode.INVALID_ARGUMENT),
        ({}, {"subscription": SUBSCRIPTION}, grpc.StatusCode.INVALID_ARGUMENT),
        ({}, {"stream_ack_deadline_seconds": 601}, grpc.StatusCode.INVALID_ARGUMENT),
        ({}, {"modify_deadline_ack_ids": ["1"]}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_stream_that_asks_for_nonsense_is_told_so(first, later, status, subscriber) -> None:
    stream = RawStream(subscriber, **first)
    stream.send(**later)

    with pytest.raises(grpc.RpcError) as refused:
        next(stream.responses)
    assert refused.value.code() is status


def test_streams_leave_room_for_publishing_and_one_too_many_is_refused(emulator, publisher, subscriber) -> None:
    streams = [RawStream(subscriber, max_outstanding_messages=1) for _ in range(MAX_STREAMS)]
    for _ in streams:
        publisher.publish(TOPIC, b"a").result(PATIENCE_SECONDS)
    for stream in streams:
        assert len(next(stream.responses).received_messages) == 1

    with pytest.raises(grpc.RpcError, match="32 streams are open"):
        next(RawStream(subscriber).responses)
    for stream in streams:
        stream.responses.cancel()
    publisher.publish(TOPIC, b"after").result(PATIENCE_SECONDS)
    eventually(lambda: is_served(RawStream(subscriber)), "room for one more stream")


def test_streams_that_say_nothing_give_their_places_back(emulator, subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "FIRST_REQUEST_SECONDS", 0.1)
    nothing: queue.Queue[None] = queue.Queue()
    silent = [subscriber.transport.streaming_pull(iter(nothing.get, None)) for _ in range(MAX_STREAMS)]
    try:
        eventually(lambda: all(stream.done() for stream in silent), "the end of the silent streams")
        emulator.publish(TOPIC, b"a")
        eventually(lambda: is_served(RawStream(subscriber)), "room for a stream that speaks")
    finally:
        for _ in silent:
            nothing.put(None)


def test_stopping_the_emulator_ends_its_streams(emulator, subscriber) -> None:
    emulator.publish(TOPIC, b"a")
    stream = RawStream(subscriber)
    next(stream.responses)

    emulator.stop()

    with pytest.raises(grpc.RpcError) as ended:
        next(stream.responses)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
    eventually(reading_has_ended, "the reading to end")
