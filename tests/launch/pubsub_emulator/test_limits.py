"""The emulator accepts and refuses what the real service accepts and refuses."""

from __future__ import annotations

import pytest

from launch.pubsub_emulator import queue
from launch.pubsub_emulator.broker import Broker, Subscription, Topic
from launch.pubsub_emulator.errors import BusyError, InvalidArgumentError
from launch.pubsub_emulator.messages import Content

TOPIC = "projects/demo-project/topics/images"
SUBSCRIPTION = "projects/demo-project/subscriptions/images"


@pytest.fixture
def broker() -> Broker:
    broker = Broker()
    broker.create_topic(Topic(TOPIC))
    broker.create_subscription(Subscription(SUBSCRIPTION, TOPIC))
    return broker


@pytest.mark.parametrize(
    "name",
    ["abc", "A" * 255, "a-b_c.d~e+f%20", "ggoog"],
    ids=["short", "long", "odd characters", "almost goog"],
)
def test_every_valid_name_is_accepted(name: str) -> None:
    broker = Broker()
    broker.create_topic(Topic(f"projects/demo-project/topics/{name}"))
    broker.create_subscription(
        Subscription(f"projects/p1/subscriptions/{name}", f"projects/demo-project/topics/{name}")
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "images",
        "projects/demo-project/KIND/",
        "projects/demo-project/KIND/ab",
        "projects/demo-project/KIND/" + "a" * 256,
        "projects/demo-project/KIND/1abc",
        "projects/demo-project/KIND/google",
        "projects/demo-project/KIND/a b c",
        "projects/demo-project/KIND/bücher",
        "projects/demo-project/KIND/abc\n",
        "projects/demo-project/KIND/abc/def",
        "projects//KIND/abc",
        "projects/demo-project/snapshots/abc",
    ],
)
def test_every_invalid_name_is_refused(name: str, broker: Broker) -> None:
    with pytest.raises(InvalidArgumentError, match="is not a valid name"):
        broker.create_topic(Topic(name.replace("KIND", "topics")))
    with pytest.raises(InvalidArgumentError, match="is not a valid name"):
        broker.create_subscription(Subscription(name.replace("KIND", "subscriptions"), TOPIC))


@pytest.mark.parametrize("seconds", [-1, 0, 9, 601])
def test_a_deadline_out_of_range_is_refused(seconds: int, broker: Broker) -> None:
    with pytest.raises(InvalidArgumentError, match=r"10\.\.600"):
        broker.create_subscription(Subscription(SUBSCRIPTION + "-other", TOPIC, seconds))
    with pytest.raises(InvalidArgumentError, match=r"10\.\.600"):
        broker.open_stream(SUBSCRIPTION, seconds, 0, 0)
    if not 0 <= seconds <= 600:
        with pytest.raises(InvalidArgumentError, match=r" 0\.\.600"):
            broker.modify_ack_deadline(SUBSCRIPTION, ["1"], seconds)


@pytest.mark.parametrize(
    "contents",
    [
        [],
        [Content(b"")],
        [Content(b"x")] * 1001,
        [Content(b"x" * 10_000_001)],
        [Content(b"x" * 5_000_001)] * 2,
        [Content(b"x", {f"key-{n}": "" for n in range(101)})],
        [Content(b"x", {"": "value"})],
        [Content(b"x", {"k" * 257: "value"})],
        [Content(b"x", {"key": "ü" * 513})],
    ],
    ids=[
        "no message",
        "neither data nor attributes",
        "too many messages",
        "too large",
        "too large together",
        "too many attributes",
        "empty key",
        "long key",
        "long value",
    ],
)
def test_a_publish_beyond_a_limit_is_refused_as_a_whole(contents: list[Content], broker: Broker) -> None:
    with pytest.raises(InvalidArgumentError):
        broker.publish(TOPIC, [Content(b"good"), *contents] if contents else [])

    assert broker.statistics(SUBSCRIPTION).published == 0


def test_a_publish_at_the_limits_is_taken(broker: Broker) -> None:
    attributes = {f"{n:03}".ljust(256, "k"): "v" * 1024 for n in range(100)}
    ids = broker.publish(TOPIC, [Content(b"x")] * 999 + [Content(b"", attributes)])

    assert len(ids) == 1000


@pytest.mark.parametrize("max_messages", [0, -1])
def test_a_pull_of_no_messages_is_refused(max_messages: int, broker: Broker) -> None:
    with pytest.raises(InvalidArgumentError, match="max_messages"):
        broker.pull(SUBSCRIPTION, max_messages, wait_seconds=0)


@pytest.mark.parametrize(("limit", "most"), [("MAX_KEPT_MESSAGES", 3), ("MAX_KEPT_BYTES", 3 * 100)])
def test_what_nobody_acknowledges_is_kept_up_to_a_limit(
    limit: str, most: int, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = Content(b"x" * 100, {})
    monkeypatch.setattr(queue, limit, most if limit == "MAX_KEPT_MESSAGES" else 3 * message.size)
    broker.publish(TOPIC, [message] * 3)
    with pytest.raises(BusyError, match="keeps as much as it may"):
        broker.publish(TOPIC, [message])
    received = broker.pull(SUBSCRIPTION, 1, 0)
    broker.acknowledge(SUBSCRIPTION, [received[0].ack_id])
    broker.publish(TOPIC, [message])
