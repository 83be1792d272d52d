"""One subscription's messages: waiting, leased, or acknowledged and forgotten.

Nothing here locks or reads a clock: the broker holds its lock around every call and says what time it is.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from launch.pubsub_emulator.messages import Message, Received

# As the service: no response is larger, unless one message alone is.
MAX_RESPONSE_BYTES = 10_000_000
MAX_KEPT_MESSAGES = 1_000_000
MAX_KEPT_BYTES = 1 << 29
"""Of messages that a subscription has not acknowledged, in this process' memory."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What became of the messages of one subscription.

    Always `published == acknowledged + outstanding + backlog`.

    Attributes:
        published: ever routed to it.
        delivered: handed out at least once; one that comes again counts once.
        acknowledged: acknowledged in time, and gone.
        outstanding: handed out now, neither acknowledged nor expired.
        backlog: waiting to be handed out, for the first time or again.
    """

    published: int
    delivered: int
    acknowledged: int
    outstanding: int
    backlog: int


class Stream:
    """What one streaming pull may hold at once, and what it holds.

    `max_messages` and `max_bytes` of zero or less set no limit. A message larger than `max_bytes` still
    passes when the stream holds nothing else: it could otherwise never be delivered.
    """

    def __init__(self, subscription: str, ack_deadline_seconds: int, max_messages: int, max_bytes: int) -> None:
        self.subscription = subscription
        self.ack_deadline_seconds = ack_deadline_seconds
        self.is_open = True
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages = 0
        self._bytes = 0

    def has_room_for(self, message: Message) -> bool:
        if self._messages == 0:
            return True
        few_enough = self._max_messages <= 0 or self._messages < self._max_messages
        small_enough = self._max_bytes <= 0 or self._bytes + message.size <= self._max_bytes
        return few_enough and small_enough

    def hold(self, message: Message) -> None:
        self._messages += 1
        self._bytes += message.size

    def release(self, message: Message) -> None:
        self._messages -= 1
        self._bytes -= message.size


class _Waiting(NamedTuple):
    message: Message
    was_delivered: bool


class _Lease(NamedTuple):
    message: Message
    expires: float
    stream: Stream | None


class SubscriptionQueue:
    """Hands messages out on lease, oldest first; one whose lease ends unacknowledged waits again.

    A message that comes again goes to the end of the queue, so that one which is always refused cannot keep
    the others waiting. Every delivery has an ack id of its own, which means nothing once its lease is over.
    """

    def __init__(self, ack_ids: Iterator[int]) -> None:
        self._ack_ids = ack_ids
        self._waiting: deque[_Waiting] = deque()
        self._leases: dict[str, _Lease] = {}
        # (expires, ack id), earliest first. An entry whose lease ended or moved is skipped when it surfaces.
        self._expiries: list[tuple[float, str]] = []
        self._published = 0
        self._delivered = 0
        self._acknowledged = 0
        self._bytes = 0

    def has_room_for(self, messages: int, size: int) -> bool:
        """Whether it may keep so many more messages, of so many bytes together."""
        kept = self._published - self._acknowledged
        return kept + messages <= MAX_KEPT_MESSAGES and self._bytes + size <= MAX_KEPT_BYTES

    def put(self, message: Message) -> None:
        self._bytes += message.size
        self._waiting.append(_Waiting(message, was_delivered=False))
        self._published += 1

    def lease(self, now: float, seconds: float, max_messages: int, stream: Stream | None = None) -> list[Received]:
        """Hand out up to `max_messages` that wait, each for `seconds`; fewer where `stream` has less room."""
        received: list[Received] = []
        size = 0
        while self._waiting and len(received) < max_messages:
            message, was_delivered = self._waiting[0]
            size += message.size
            if (received and size > MAX_RESPONSE_BYTES) or (stream and not stream.has_room_for(message)):
                break
            self._waiting.popleft()
            ack_id = str(next(self._ack_ids))
            self._set_lease(ack_id, _Lease(message, now + seconds, stream))
            if stream:
                stream.hold(message)
            self._delivered += not was_delivered
            received.append(Received(ack_id, message))
        return received

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """Forget these messages; an id whose lease is over is passed by."""
        for ack_id in ack_ids:
            if lease := self._end_lease(ack_id):
                self._acknowledged += 1
                self._bytes -= lease.message.size

    def extend(self, ack_ids: Iterable[str], now: float, seconds: float) -> None:
        """Let these leases end `seconds` from now; an id whose lease is over is passed by."""
        for ack_id in ack_ids:
            if lease := self._leases.get(ack_id):
                self._set_lease(ack_id, lease._replace(expires=now + seconds))

    def give_back(self, ack_ids: Iterable[str]) -> None:
        """End these leases without an acknowledgement: the messages wait again."""
        for ack_id in ack_ids:
            if lease := self._end_lease(ack_id):
                self._waiting.append(_Waiting(lease.message, was_delivered=True))

    def give_back_expired(self, now: float) -> None:
        """Let every message whose lease has run out wait again."""
        while (expiry := self.next_expiry()) is not None and expiry <= now:
            self.give_back([self._expiries[0][1]])

    def next_expiry(self) -> float | None:
        """When the next lease runs out; None where nothing is leased."""
        while self._expiries:
            expires, ack_id = self._expiries[0]
            lease = self._leases.get(ack_id)
            if lease is not None and lease.expires == expires:
                return expires
            heapq.heappop(self._expiries)
        return None

    def statistics(self) -> Statistics:
        return Statistics(
            published=self._published,
            delivered=self._delivered,
            acknowledged=self._acknowledged,
            outstanding=len(self._leases),
            backlog=len(self._waiting),
        )

    def _set_lease(self, ack_id: str, lease: _Lease) -> None:
        self._leases[ack_id] = lease
        heapq.heappush(self._expiries, (lease.expires, ack_id))
        # Ended leases leave entries behind: without this, long deadlines would keep them for ten minutes.
        if len(self._expiries) > 2 * len(self._leases) + 1000:
            self._expiries = [(lease.expires, ack_id) for ack_id, lease in self._leases.items()]
            heapq.heapify(self._expiries)

    def _end_lease(self, ack_id: str) -> _Lease | None:
        lease = self._leases.pop(ack_id, None)
        if lease and lease.stream:
            lease.stream.release(lease.message)
        return lease


def ack_id_sequence() -> Iterator[int]:
    """Numbers for ack ids: share one among all queues, so that no id is valid in two subscriptions."""
    return itertools.count(1)
