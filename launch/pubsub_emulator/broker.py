"""The emulator's state: topics, subscriptions and who may have which message now. No network in here."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from launch.pubsub_emulator.errors import (
    AlreadyExistsError,
    BusyError,
    InvalidArgumentError,
    NotFoundError,
    StoppedError,
)
from launch.pubsub_emulator.messages import Content, Message, Received, check_publish
from launch.pubsub_emulator.names import (
    DELETED_TOPIC,
    check_project_name,
    check_subscription_name,
    check_topic_name,
)
from launch.pubsub_emulator.queue import Statistics, Stream, SubscriptionQueue, ack_id_sequence

MIN_ACK_DEADLINE_SECONDS = 10
MAX_ACK_DEADLINE_SECONDS = 600
# What one response carries at most, on a stream that sets no limit of its own.
MAX_STREAM_RESPONSE_MESSAGES = 1000


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as its creator described it."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as its creator described it; `topic` becomes `_deleted-topic_` when that is deleted."""

    name: str
    topic: str
    ack_deadline_seconds: int = MIN_ACK_DEADLINE_SECONDS
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _TopicState:
    topic: Topic
    subscriptions: dict[str, _SubscriptionState] = field(default_factory=dict)


@dataclass(slots=True)
class _SubscriptionState:
    subscription: Subscription
    queue: SubscriptionQueue
    changed: threading.Condition  # on the broker's one lock: something may be deliverable, or waiting is over
    deleted: bool = False


class Broker:
    """Routes each message to the subscriptions its topic has at that moment, and keeps it until acknowledged.

    Safe to call from any thread: one lock guards everything, and who waits for a message waits on a condition
    of its subscription. Nothing runs in the background: leases that ran out are noticed by whoever looks
    next, and a waiting puller sleeps no longer than until the next one runs out.

    Every method that takes a name raises InvalidArgumentError for one that Pub/Sub would not accept, and
    NotFoundError for one that does not exist.

    Args:
        clock: seconds that only grow; leases and waits are measured by it.
        now: the time of day in UTC, stamped on messages as their publish time.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._topics: dict[str, _TopicState] = {}
        self._subscriptions: dict[str, _SubscriptionState] = {}
        # Begun at the microsecond, so that an emulator started later never repeats an id.
        self._message_ids = itertools.count(time.time_ns() // 1000)
        self._ack_ids = ack_id_sequence()
        self._holding = False
        self._stopped = False

    # Topics

    def create_topic(self, topic: Topic) -> None:
        """Add a topic; raises AlreadyExistsError where its name is taken."""
        check_topic_name(topic.name)
        with self._lock:
            if topic.name in self._topics:
                raise AlreadyExistsError(f"topic {topic.name} already exists")
            self._topics[topic.name] = _TopicState(topic)

    def topic(self, name: str) -> Topic:
        with self._lock:
            return self._topic(name).topic

    def topics(self, project: str) -> list[Topic]:
        """The topics of `project` (`projects/P`), by name."""
        check_project_name(project)
        with self._lock:
            return [state.topic for name, state in sorted(self._topics.items()) if name.startswith(f"{project}/")]

    def topic_subscriptions(self, topic: str) -> list[str]:
        """The names of the subscriptions attached to `topic`, in order."""
        with self._lock:
            return sorted(self._topic(topic).subscriptions)

    def delete_topic(self, name: str) -> None:
        """Remove a topic; its subscriptions keep what they have, under the topic `_deleted-topic_`."""
        with self._lock:
            for state in self._topic(name).subscriptions.values():
                state.subscription = replace(state.subscription, topic=DELETED_TOPIC)
            del self._topics[name]

    def publish(self, topic: str, contents: Sequence[Content]) -> list[str]:
        """Take all of `contents` or none, and answer their message ids, in order.

        Raises InvalidArgumentError where they break a limit of `messages.py`, BusyError where a subscription keeps as
        much as it may.
        """
        check_publish(contents)
        size = sum(each.size for each in contents)
        with self._lock:
            subscriptions = self._topic(topic).subscriptions.values()
            if not all(state.queue.has_room_for(len(contents), size) for state in subscriptions):
                raise BusyError(f"a subscription of {topic} keeps as much as it may: acknowledge some of it")
            published = self._now()
            messages = [Message(str(next(self._message_ids)), published, each, each.size) for each in contents]
            for state in subscriptions:
                for message in messages:
                    state.queue.put(message)
                state.changed.notify_all()
        return [message.message_id for message in messages]

    # Subscriptions

    def create_subscription(self, subscription: Subscription) -> None:
        """Attach a subscription to its topic: messages published from now on reach it.

        Raises AlreadyExistsError where its name is taken, InvalidArgumentError for a bad deadline.
        """
        check_subscription_name(subscription.name)
        _check_subscription_deadline(subscription.ack_deadline_seconds)
        with self._lock:
            topic = self._topic(subscription.topic)
            if subscription.name in self._subscriptions:
                raise AlreadyExistsError(f"subscription {subscription.name} already exists")
            state = _SubscriptionState(subscription, SubscriptionQueue(self._ack_ids), threading.Condition(self._lock))
            self._subscriptions[subscription.name] = state
            topic.subscriptions[subscription.name] = state

    def subscription(self, name: str) -> Subscription:
        with self._lock:
            return self._subscription(name).subscription

    def subscriptions(self, project: str) -> list[Subscription]:
        """The subscriptions of `project` (`projects/P`), by name."""
        check_project_name(project)
        with self._lock:
            return [
                state.subscription
                for name, state in sorted(self._subscriptions.items())
                if name.startswith(f"{project}/")
            ]

    def delete_subscription(self, name: str) -> None:
        """Remove a subscription with its messages; whoever waits on it gets NotFoundError."""
        with self._lock:
            state = self._subscription(name)
            del self._subscriptions[name]
            if topic := self._topics.get(state.subscription.topic):
                topic.subscriptions.pop(name, None)
            state.deleted = True
            state.changed.notify_all()

    def statistics(self, subscription: str) -> Statistics:
        with self._lock:
            queue = self._subscription(subscription).queue
            queue.give_back_expired(self._clock())
            return queue.statistics()

    # Delivery

    def pull(self, subscription: str, max_messages: int, wait_seconds: float) -> list[Received]:
        """Lease up to `max_messages`, waiting at most `wait_seconds` for the first; [] where none came."""
        if max_messages <= 0:
            raise InvalidArgumentError(f"max_messages must be above 0, got {max_messages}")
        with self._lock:
            state = self._subscription(subscription)
            give_up_at = self._clock() + wait_seconds
            while True:
                now = self._clock()
                seconds = state.subscription.ack_deadline_seconds
                received = self._lease(state, now, seconds, max_messages)
                if received or now >= give_up_at:
                    return received
                _wait(state, now, give_up_at)

    def open_stream(self, subscription: str, ack_deadline_seconds: int, max_messages: int, max_bytes: int) -> Stream:
        """Begin a streaming pull: `pull_stream` then yields to it until `close_stream`.

        Args:
            subscription: where the messages come from.
            ack_deadline_seconds: 10..600, how long each is leased; it replaces the subscription's own.
            max_messages: how many may be unacknowledged at once; no limit where 0 or less.
            max_bytes: how large these may be together; no limit where 0 or less.
        """
        _check_subscription_deadline(ack_deadline_seconds)
        with self._lock:
            self._subscription(subscription)
            return Stream(subscription, ack_deadline_seconds, max_messages, max_bytes)

    def pull_stream(self, stream: Stream) -> list[Received]:
        """Lease what `stream` has room for, waiting until there is some; [] once the stream is closed."""
        with self._lock:
            state = self._subscription(stream.subscription)
            while stream.is_open:
                now = self._clock()
                received = self._lease(state, now, stream.ack_deadline_seconds, MAX_STREAM_RESPONSE_MESSAGES, stream)
                if received:
                    return received
                _wait(state, now)
            return []

    def set_stream_deadline(self, stream: Stream, ack_deadline_seconds: int) -> None:
        """Lease what `stream` gets from now on for this long (10..600)."""
        _check_subscription_deadline(ack_deadline_seconds)
        with self._lock:
            stream.ack_deadline_seconds = ack_deadline_seconds

    def close_stream(self, stream: Stream) -> None:
        """End a stream, as often as one likes; what it holds comes again when its leases run out."""
        with self._lock:
            stream.is_open = False
            if state := self._subscriptions.get(stream.subscription):
                state.changed.notify_all()

    def acknowledge(self, subscription: str, ack_ids: Sequence[str]) -> None:
        """Forget these messages. An id whose lease ran out does nothing: its message comes again."""
        with self._lock:
            state = self._subscription(subscription)
            state.queue.give_back_expired(self._clock())
            state.queue.acknowledge(ack_ids)
            state.changed.notify_all()  # a stream may have room again

    def modify_ack_deadline(self, subscription: str, ack_ids: Sequence[str], seconds: int) -> None:
        """Let these leases end `seconds` (0..600) from now; 0 makes the messages available at once."""
        if not 0 <= seconds <= MAX_ACK_DEADLINE_SECONDS:
            raise InvalidArgumentError(
                f"an acknowledgement deadline is set to 0..{MAX_ACK_DEADLINE_SECONDS} seconds, got {seconds}"
            )
        with self._lock:
            state = self._subscription(subscription)
            now = self._clock()
            state.queue.give_back_expired(now)
            if seconds:
                state.queue.extend(ack_ids, now, seconds)
            else:
                state.queue.give_back(ack_ids)
            # Waiting pullers sleep until the next lease ends, which may be sooner now.
            state.changed.notify_all()

    # Ending

    def hold_deliveries(self) -> None:
        """Hand out no message from now on: pulls answer empty, streams stay silent, the rest goes on."""
        with self._lock:
            self._holding = True

    def resume_deliveries(self) -> None:
        """Hand out messages again."""
        with self._lock:
            self._holding = False
            for state in self._subscriptions.values():
                state.changed.notify_all()

    def stop(self) -> None:
        """End every wait, now and later, with StoppedError; the state can still be read."""
        with self._lock:
            self._stopped = True
            for state in self._subscriptions.values():
                state.changed.notify_all()

    # With the lock held

    def _topic(self, name: str) -> _TopicState:
        check_topic_name(name)
        state = self._topics.get(name)
        if state is None:
            raise NotFoundError(f"topic {name} does not exist")
        return state

    def _subscription(self, name: str) -> _SubscriptionState:
        check_subscription_name(name)
        state = self._subscriptions.get(name)
        if state is None:
            raise NotFoundError(f"subscription {name} does not exist")
        return state

    def _lease(
        self,
        state: _SubscriptionState,
        now: float,
        seconds: float,
        max_messages: int,
        stream: Stream | None = None,
    ) -> list[Received]:
        if self._stopped:
            raise StoppedError("the emulator is stopping")
        if state.deleted:
            raise NotFoundError(f"subscription {state.subscription.name} was deleted")
        state.queue.give_back_expired(now)
        return [] if self._holding else state.queue.lease(now, seconds, max_messages, stream)


def _wait(state: _SubscriptionState, now: float, give_up_at: float | None = None) -> None:
    """Sleep until something changes, a lease runs out or it is `give_up_at`; the lock is free meanwhile."""
    moments = [moment for moment in (give_up_at, state.queue.next_expiry()) if moment is not None]
    state.changed.wait(max(0.0, min(moments) - now) if moments else None)


def _check_subscription_deadline(seconds: int) -> None:
    low, high = MIN_ACK_DEADLINE_SECONDS, MAX_ACK_DEADLINE_SECONDS
    if not low <= seconds <= high:
        raise InvalidArgumentError(f"an acknowledgement deadline has {low}..{high} seconds, got {seconds}")
